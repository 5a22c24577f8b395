"""Town: who lives there and which shops they go to. The same few names in every run, the rest by chance."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

CITY = "西安"
CURRENCY = "CNY"

# Who stories are told about; 周强 and 孙丽 have a bad day, the factory is an organisation.
NAMED = ("李明", "王芳", "张伟", "刘洋", "陈静", "杨帆", "赵敏", "周强", "孙丽")
LOCKED, FROZEN = NAMED.index("周强"), NAMED.index("孙丽")
FACTORY = "秦岭机械厂"

_FAMILY = "李王张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧"
# fmt: off
_GIVEN = (
    "伟", "芳", "娜", "敏", "静", "丽", "强", "磊", "洋", "艳", "勇", "军", "杰", "娟",
    "涛", "明", "超", "霞", "平", "刚", "桂英", "秀兰", "建华", "志强", "晓燕", "雨桐",
    "子涵", "浩然", "思远", "佳怡", "欣怡", "宇航", "博文",
    "梓萱", "俊杰", "雅琪", "海燕", "国强", "春梅", "玉兰",
)
# fmt: on


@dataclass(frozen=True)
class Trade:
    """A kind of shop. rate_bps, fixed, cap: its fee. low, high: usual prices in fen.

    busy: how much goes on from 6, from 11, from 14 and from 17 o'clock.
    """

    name: str
    mcc: str
    rate_bps: int
    low: int
    high: int
    busy: tuple[int, int, int, int]
    fixed: int = 0
    cap: int | None = None
    on_refund: Literal["return", "keep"] = "return"
    holds: bool = False


BREAKFAST = Trade("早餐", "5814", 38, 300, 1_800, (9, 1, 0, 0))
NOODLES = Trade("面馆", "5812", 38, 900, 4_500, (2, 9, 2, 7))
COFFEE = Trade("咖啡", "5814", 60, 1_200, 4_800, (6, 4, 6, 2))
GROCER = Trade("便利店", "5411", 38, 200, 9_000, (3, 4, 4, 7))
FRUIT = Trade("水果", "5431", 38, 500, 6_000, (1, 2, 4, 8))
CHEMIST = Trade("药店", "5912", 25, 800, 12_000, (2, 2, 3, 3))
BOOKS = Trade("书店", "5942", 60, 1_500, 11_000, (0, 2, 4, 4), on_refund="keep")
DINNER = Trade("火锅", "5812", 60, 6_000, 26_000, (0, 2, 0, 5), cap=100)
KIOSK = Trade("地铁站售货亭", "5499", 38, 200, 2_500, (8, 2, 3, 7), fixed=1)
CANTEEN = Trade("学校食堂", "8211", 0, 300, 2_000, (7, 9, 0, 5))
FACTORY_SHOP = Trade("工厂小卖部", "5411", 20, 200, 3_500, (5, 7, 4, 3))
CAR_PARK = Trade("停车场", "7523", 60, 500, 4_000, (4, 3, 3, 4), holds=True)
HOTEL = Trade("酒店", "7011", 60, 20_000, 60_000, (2, 1, 2, 3), holds=True, cap=2_000)

# A street by the city wall, the kiosks of metro line 2, a school, a factory and two who take deposits.
_SHOPS = (
    ("停车场·南门", CAR_PARK),
    ("城墙根酒店", HOTEL),
    ("长乐小学食堂", CANTEEN),
    ("秦岭机械厂小卖部", FACTORY_SHOP),
    ("老李包子铺", BREAKFAST),
    ("贾记肉夹馍", NOODLES),
    ("城墙咖啡", COFFEE),
    ("顺城便利店", GROCER),
    ("王阿姨水果店", FRUIT),
    ("同仁药房", CHEMIST),
    ("钟楼书店", BOOKS),
    ("巷口火锅", DINNER),
)
_MORE = (BREAKFAST, NOODLES, COFFEE, GROCER, FRUIT, CHEMIST, DINNER, CANTEEN)
_LANES = ("顺城巷", "书院门", "湘子庙街", "德福巷", "竹笆市", "东木头市", "粉巷", "五味什字")
_STATIONS = ("北大街", "钟楼", "永宁门", "南稍门", "体育场", "小寨", "纬一街", "会展中心", "三爻", "凤栖原")


@dataclass(frozen=True)
class Person:
    """n: place in the list. account_class: 1 to 3; None for an organisation. opening: fen put in at six."""

    n: int
    name: str
    phone: str
    account_class: int | None
    code_class: Literal["b", "c"]
    opening: int
    is_poor: bool = False


@dataclass(frozen=True)
class Shop:
    """n: place in the list."""

    n: int
    name: str
    trade: Trade

    def fee(self, amount: int) -> int:
        """What the house takes of an amount in fen, by this town's own arithmetic: half a fen goes up."""
        charged = (2 * amount * self.trade.rate_bps + 10_000) // 20_000 + self.trade.fixed
        return min(charged, amount, amount if self.trade.cap is None else self.trade.cap)


@dataclass(frozen=True)
class Town:
    """People first the named ones, then the others, last the factory."""

    people: tuple[Person, ...]
    shops: tuple[Shop, ...]

    @property
    def factory(self) -> Person:
        """The organisation."""
        return self.people[-1]


def make_town(chance: Random, people: int, shops: int, purse: int) -> Town:
    """A town of so many persons and shops. purse: fen that an ordinary person needs for the day."""
    names = [*NAMED]
    taken = set(names)
    while len(names) < people:
        name = chance.choice(_FAMILY) + chance.choice(_GIVEN)
        # Few namesakes, but a big town has some.
        if name not in taken or len(taken) > 600:
            names.append(name)
            taken.add(name)
    inhabitants = [_person(chance, n, name, purse) for n, name in enumerate(names[:people])]
    inhabitants.append(Person(people, FACTORY, _phone(people), None, "b", 5_000_000))
    return Town(tuple(inhabitants), tuple(_shop(chance, n) for n in range(shops)))


def _person(chance: Random, n: int, name: str, purse: int) -> Person:
    if n >= len(NAMED) and n % 33 == 10:
        return Person(n, name, _phone(n), 2, "c", chance.randint(100, 400), is_poor=True)
    account_class = 3 if n < len(NAMED) else chance.choices((1, 2, 3), (10, 45, 45))[0]
    opening = min(90_000, purse) if account_class == 1 else chance.randint(purse, 3 * purse)
    return Person(n, name, _phone(n), account_class, chance.choice("bbbcc"), opening)  # type: ignore[arg-type]


def _phone(n: int) -> str:
    return f"+861990{n:07d}"


def _shop(chance: Random, n: int) -> Shop:
    if n < len(_SHOPS):
        return Shop(n, *_SHOPS[n])
    n -= len(_SHOPS)
    if n < len(_STATIONS):
        return Shop(n + len(_SHOPS), f"2号线{_STATIONS[n]}站售货亭", KIOSK)
    trade = chance.choice(_MORE)
    return Shop(n + len(_SHOPS), f"{_LANES[n % len(_LANES)]}{trade.name}{n}号", trade)
