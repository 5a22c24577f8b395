"""Plan: everything that will be asked in a day and what must come of each, from one seed.

Within an hour all acts run at once, in no order. So that what must come of each is certain all the
same, an hour's spending is planned against what was surely there when the hour began, and what is
given within the hour counts only from the next one on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from feiqian.simulator.town import FROZEN, LOCKED, Person, Shop, Town, make_town

# How much goes on in each hour, in percent. The evening follows published statistics of a mobile money
# service, whose hours 19 and 20 carry 26% of all operations and whose night carries next to nothing
# (E. A. Lopez-Rojas, A. Elmir, S. Axelsson, "PaySim", EMSS 2016); breakfast and lunch are our town's.
RHYTHM = {
    6: 2, 7: 6, 8: 7, 9: 3, 10: 3, 11: 6, 12: 10, 13: 5, 14: 3,
    15: 3, 16: 3, 17: 5, 18: 9, 19: 13, 20: 13, 21: 5, 22: 3, 23: 1,
}  # fmt: skip
FIRST, LAST = min(RHYTHM), max(RHYTHM)

TRANSFERS = 0.10  # for each payment at a shop
REFUNDS = 0.04
HOLDS = 0.03
TROUBLE = 0.05  # of each payment: something that must be refused
CODES_MOST = 6  # a device makes ten codes in half a minute, and an hour of the town passes in less

DAY = {"b": 500_000, "c": 100_000, "d": 50_000}  # fen a day by class of code, notice 296 of 2017
LIFE_1 = 100_000  # fen for a class I account, announcement 43 of 2015


@dataclass(frozen=True)
class Act:
    """One thing somebody does. n: its number in the plan; kind: the player's method.

    amount: fen. other: the person paid, or the number of an act before, by kind. expect: the code of
    the refusal that must come, several with `|`; empty when it must be carried out. upset: what goes
    wrong on the way: `lost` (the caller hangs up and asks again), `repeat 5` (the same request five
    times at once), `number 5` (the same order number five times at once, each with a key of its own).
    """

    n: int
    kind: str
    person: int
    shop: int = -1
    amount: int = 0
    other: int = -1
    expect: str = ""
    upset: str = ""
    check: str = "single"


@dataclass(frozen=True)
class Hour:
    """What happens in an hour: first the one group, all at once, then the other."""

    hour: int
    first: tuple[Act, ...]
    acts: tuple[Act, ...]


@dataclass(frozen=True)
class Plan:
    """A day of a town."""

    seed: int
    town: Town
    hours: tuple[Hour, ...]

    def acts(self) -> Iterator[Act]:
        """All acts, in order."""
        for hour in self.hours:
            yield from hour.first
            yield from hour.acts


def make_plan(seed: int, people: int = 300, shops: int = 60, payments: int = 5_000) -> Plan:
    """The plan of a day with at least so many payments at shops that must succeed."""
    return _Planner(seed, people, shops, payments).plan()


class _Planner:
    def __init__(self, seed: int, people: int, shops: int, payments: int) -> None:
        self.seed = seed
        self.chance = Random(seed)
        self.payments = payments
        # Three times what an average customer spends in a day, so that few run out of money.
        purse = max(60_000, 3 * 2_500 * payments // people)
        self.town = make_town(self.chance, people, shops, purse)
        self.n = 0
        self.sure: dict[object, int] = defaultdict(int)  # what is surely there: person or ("shop", n)
        self.later: dict[object, int] = defaultdict(int)  # what joins it when the hour is over
        self.spent: dict[tuple[int, str], int] = defaultdict(int)
        self.codes: dict[int, int] = {}  # codes shown this hour
        self.done: list[Act] = []  # payments of the hours before that may be refunded
        self.fresh: list[Act] = []
        self.refunded: set[int] = set()
        self.due: dict[int, list[Act]] = defaultdict(list)  # what earlier acts lead to, by hour
        reserved = {FROZEN, LOCKED}
        self.poor = [p for p in self.town.people if p.is_poor]
        self.usual = [
            p for p in self.town.people if p.account_class and not p.is_poor and p.n not in reserved
        ]
        self.tills = [shop for shop in self.town.shops if not shop.trade.holds]
        self.parks = [shop for shop in self.town.shops if shop.trade.holds]

    def act(self, kind: str, person: Person, shop: Shop | None = None, **more: object) -> Act:
        self.n += 1
        return Act(self.n, kind, person.n, -1 if shop is None else shop.n, **more)  # type: ignore[arg-type]

    def plan(self) -> Plan:
        hours = []
        shares = sum(RHYTHM.values())
        planned = 0
        for hour, share in RHYTHM.items():
            self.codes = defaultdict(int)
            count = self.payments * share // shares if hour != LAST else self.payments - planned
            planned += count
            first = self._first(hour)
            acts = [*self.due.pop(hour, ()), *self._hour(hour, count)]
            self.chance.shuffle(acts)
            hours.append(Hour(hour, tuple(first), tuple(acts)))
            for key, amount in self.later.items():
                self.sure[key] += amount
            self.later.clear()
            self.done += self.fresh
            self.fresh = []
        return Plan(self.seed, self.town, tuple(hours))

    # What must come before the rest of the hour --------------------------------------------------

    def _first(self, hour: int) -> list[Act]:
        chance, people = self.chance, self.town.people
        if hour == FIRST:
            acts = []
            for person in people:
                self.sure[person.n] += person.opening
                acts.append(self.act("deposit", person, amount=person.opening, upset=self._upset(0.05)))
            return acts
        if hour == 9:
            return [self.act("freeze", people[FROZEN]), self.act("cancel_stand", people[0], self.tills[-1])]
        if hour == 14 and len(self.tills) > 3:
            return [self.act("close_store", people[0], self.tills[-2])]
        if hour == 15:
            # Somebody tries numbers with 周强's alias until his device is paused; his own code then fails.
            locked = people[LOCKED]
            return [self.act("guess", locked, chance.choice(self.tills[:3]), amount=1_200)]
        return []

    # An hour --------------------------------------------------------------------------------------

    def _hour(self, hour: int, count: int) -> Iterator[Act]:
        for _ in range(count):
            yield self._payment(hour)
        if hour == 12:
            yield from self._lunch()
        for _ in range(self._some(count * TRANSFERS)):
            yield from self._transfer()
        if self.parks and hour < LAST - 3:
            for _ in range(max(1, self._some(count * HOLDS))):
                yield from self._hold(hour)
        for _ in range(self._some(count * REFUNDS)):
            yield from self._refund()
        for _ in range(max(1, self._some(count * TROUBLE))):
            yield from self._trouble(hour)

    def _some(self, mean: float) -> int:
        whole = int(mean)
        return whole + (self.chance.random() < mean - whole)

    def _upset(self, share: float) -> str:
        if self.chance.random() >= share:
            return ""
        return self.chance.choice(("lost", f"repeat {self.chance.randint(3, 8)}"))

    def _shop(self, hour: int) -> Shop:
        part = 0 if hour < 11 else 1 if hour < 14 else 2 if hour < 17 else 3
        return self.chance.choices(self._open, [s.trade.busy[part] + 0.1 for s in self._open])[0]

    @property
    def _open(self) -> list[Shop]:
        # The last two lose their stand and their licence during the day: see _first.
        return self.tills[:-2] if len(self.tills) > 3 else self.tills

    def _price(self, shop: Shop) -> int:
        trade = shop.trade
        usual = trade.low + (trade.high - trade.low) / 4
        return int(self.chance.triangular(trade.low, trade.high, usual)) // 10 * 10

    def _spend(self, person: Person, amount: int, code_class: str) -> bool:
        """Plan that somebody gives this, if it is sure to pass; code_class: empty when no code is shown."""
        if amount > self.sure[person.n]:
            return False
        if code_class in DAY and self.spent[person.n, code_class] + amount > DAY[code_class]:
            return False
        if person.account_class == 1 and self.spent[person.n, "life"] + amount > LIFE_1:
            return False
        self.sure[person.n] -= amount
        self.spent[person.n, code_class] += amount
        self.spent[person.n, "life"] += amount
        return True

    def _payment(self, hour: int) -> Act:
        shop = self._shop(hour)
        amount = self._price(shop)
        kind = self.chance.choices(("scan", "dynamic", "stand", "stand_fixed"), (45, 30, 17, 8))[0]
        if kind == "stand_fixed":
            amount = stand_price(shop)
        check = self.chance.choice(("single", "two_factors", "two_factors", "signed"))
        for attempt in range(60):
            person = self.chance.choice(self.usual)
            if attempt > 30:
                # Whoever has most pays the way that no limit of a code's class is on.
                kind, check = "dynamic", "signed"
                person = max(self.usual, key=lambda p: self.sure[p.n] if p.account_class != 1 else -1)
            if kind == "scan" and self.codes[person.n] >= CODES_MOST:
                continue
            if self._spend(person, amount, _class_of(kind, person, check)):
                self.codes[person.n] += kind == "scan"
                break
        else:
            raise ValueError("too few people with money for so many payments: have more --people")
        upset = self._upset(0.04)
        if kind in ("scan", "dynamic") and self.chance.random() < 0.01:
            upset = f"number {self.chance.randint(3, 8)}"
        self.later["shop", shop.n] += amount - shop.fee(amount)
        act = self.act(kind, person, shop, amount=amount, check=check, upset=upset)
        self.fresh.append(act)
        return act

    def _lunch(self) -> Iterator[Act]:
        """The factory pays for its people's lunch: an organisation, on which no class's limit is."""
        factory, shop, amount = self.town.factory, self._open[0], 486_000
        self.later["shop", shop.n] += amount - shop.fee(amount)
        yield self.act("dynamic", factory, shop, amount=amount, check="signed")

    def _transfer(self) -> Iterator[Act]:
        payer, payee = self.chance.sample(self.usual, 2)
        if self.chance.random() < 0.02:
            payee = self.town.people[FROZEN]  # a frozen wallet still receives
        amount = int(self.chance.lognormvariate(8.2, 0.8)) // 100 * 100 + 100
        if self._spend(payer, amount, ""):
            self.later[payee.n] += amount
            yield self.act("transfer", payer, amount=amount, other=payee.n, upset=self._upset(0.04))

    def _hold(self, hour: int) -> Iterator[Act]:
        """A hold, and later its end: less than held, in parts, given back, or forgotten until it lapses."""
        shop, person = self.chance.choice(self.parks), self.chance.choice(self.usual)
        amount = self._price(shop)
        check = "signed" if self.chance.random() < 0.7 else "two_factors"
        if not self._spend(person, amount, _class_of("hold", person, check)):
            return
        ends = ("capture", "capture_parts", "cancel", "lapse", "part_lapse")
        end = self.chance.choices(ends, (8, 2, 2, 1, 1))[0]
        until = hour + self.chance.randint(1, min(5, LAST - hour))
        kind = "hold_lapsing" if "lapse" in end else "hold"
        hold = self.act(kind, person, shop, amount=amount, check=check, upset=self._upset(0.05))
        yield hold
        upset = self._upset(0.1)
        taken = self.chance.randint(amount // 4, amount - 1)
        if end in ("capture", "capture_parts"):
            taken = amount if self.chance.random() < 0.3 else taken
            self.due[until].append(self.act(end, person, shop, amount=taken, other=hold.n, upset=upset))
            if self.chance.random() < 0.2 and until < LAST:
                why = "wrong_state"
                self.due[until + 1].append(
                    self.act("capture", person, shop, amount=1, other=hold.n, expect=why)
                )
        elif end == "cancel":
            if self.chance.random() < 0.5 and until > hour + 1:
                self.due[until - 1].append(
                    self.act("capture", person, shop, amount=amount + 1, other=hold.n, expect="over_capture")
                )
            self.due[until].append(self.act("cancel", person, shop, other=hold.n, upset=upset))
        elif end == "part_lapse":
            self.due[hour + 1].append(
                self.act("capture_part", person, shop, amount=taken, other=hold.n, upset=upset)
            )
        else:
            why = "hold_expired|wrong_state"
            self.due[hour + 3].append(
                self.act("capture", person, shop, amount=amount, other=hold.n, expect=why)
            )

    def _refund(self) -> Iterator[Act]:
        for paid in self.chance.sample(self.done, min(20, len(self.done))):
            if paid.n in self.refunded:
                continue
            whole = self.chance.random() < 0.5
            amount = paid.amount if whole else self.chance.randint(1, paid.amount)
            # The shop must have it whatever the fee: see what is sure.
            if self.sure["shop", paid.shop] < paid.amount:
                continue
            self.sure["shop", paid.shop] -= paid.amount
            self.refunded.add(paid.n)
            self.later[paid.person] += amount
            person = self.town.people[paid.person]
            shop = self.town.shops[paid.shop]
            kind = "refund_rest" if whole and self.chance.random() < 0.5 else "refund"
            yield self.act(kind, person, shop, amount=amount, other=paid.n, upset=self._upset(0.1))
            return

    # What must be refused -------------------------------------------------------------------------

    def _trouble(self, hour: int) -> Iterator[Act]:
        kinds = [
            "no_money", "over_code_c", "over_code_d", "over_class_1", "old_code", "used_code", "wrong_code",
            "closed_purchase", "late_purchase", "paid_purchase", "altered_code", "unknown_code",
            "unknown_payee", "late_payee", "own_phone", "number_reused", "key_reused", "no_amount",
            "other_amount", "over_refund", "unknown_store",
        ]  # fmt: skip
        if hour >= 9:
            kinds += ["dead_stand", "frozen", "frozen"]
        if hour >= 14 and len(self.tills) > 3:
            kinds += ["closed_store", "closed_store"]
        kind = self.chance.choice(kinds)
        act = getattr(self, f"_{kind}", None)
        person, shop = self.chance.choice(self.usual), self.chance.choice(self._open)
        if act is not None:
            yield from act(person, shop, hour)
            return
        amount = self._price(shop)
        expect = _PLAIN[kind]
        if kind in _GIVING:
            # These also take a good payment on their way.
            if not self._spend(person, amount, _class_of(_GIVING[kind], person, "signed")):
                return
            if self.codes[person.n] >= CODES_MOST:
                return
            self.codes[person.n] += 2
            self.later["shop", shop.n] += amount - shop.fee(amount)
        yield self.act(kind, person, shop, amount=amount, expect=expect, check="signed")

    def _no_money(self, _: Person, shop: Shop, hour: int) -> Iterator[Act]:
        if self.poor:
            person = self.chance.choice(self.poor)
            kind = self.chance.choice(("scan", "dynamic", "stand"))
            amount = self.chance.randint(500, 3_000)
            if kind == "scan" and self.codes[person.n] >= CODES_MOST:
                return
            self.codes[person.n] += kind == "scan"
            yield self.act(
                kind, person, shop, amount=amount, expect="insufficient_funds", upset=self._upset(0.2)
            )

    def _over_code_c(self, person: Person, shop: Shop, hour: int) -> Iterator[Act]:
        amount = self.chance.randint(100_001, 180_000)
        yield self.act("dynamic", person, shop, amount=amount, expect="over_limit", upset=self._upset(0.2))

    def _over_code_d(self, person: Person, shop: Shop, hour: int) -> Iterator[Act]:
        amount = self.chance.randint(50_001, 90_000)
        yield self.act("stand", person, shop, amount=amount, expect="over_limit", check="signed")

    def _over_class_1(self, person: Person, shop: Shop, hour: int) -> Iterator[Act]:
        if children := [p for p in self.usual if p.account_class == 1]:
            person = self.chance.choice(children)
            amount = self.chance.randint(100_001, 150_000)
            yield self.act("dynamic", person, shop, amount=amount, expect="over_limit", check="signed")

    def _frozen(self, _: Person, shop: Shop, hour: int) -> Iterator[Act]:
        person = self.town.people[FROZEN]
        kind = self.chance.choice(("scan", "dynamic", "stand"))
        if kind == "scan" and self.codes[person.n] >= CODES_MOST:
            return
        self.codes[person.n] += kind == "scan"
        yield self.act(kind, person, shop, amount=self._price(shop), expect="wallet_frozen")

    def _closed_store(self, person: Person, _: Shop, hour: int) -> Iterator[Act]:
        if self.codes[person.n] < CODES_MOST:
            self.codes[person.n] += 1
            yield self.act("scan", person, self.tills[-2], amount=1_500, expect="store_closed")

    def _dead_stand(self, person: Person, _: Shop, hour: int) -> Iterator[Act]:
        yield self.act("stand", person, self.tills[-1], amount=1_500, expect="code_cancelled")

    def _late_purchase(self, person: Person, shop: Shop, hour: int) -> Iterator[Act]:
        """Rung up now, paid an hour later: its code is good for ten minutes."""
        if hour < LAST:
            rung = self.act("ring_up", person, shop, amount=self._price(shop))
            self.due[hour + 1].append(
                self.act("pay_late", person, shop, amount=rung.amount, other=rung.n, expect="code_expired")
            )
            yield rung

    def _late_payee(self, person: Person, shop: Shop, hour: int) -> Iterator[Act]:
        if hour < LAST:
            payee = self.chance.choice([p for p in self.usual if p is not person])
            seen = self.act("look_up", person, other=payee.n)
            self.due[hour + 1].append(
                self.act("send_late", person, amount=1_000, other=seen.n, expect="payee_expired")
            )
            yield seen

    def _over_refund(self, person: Person, shop: Shop, hour: int) -> Iterator[Act]:
        left = [act for act in self.done[-50:] if act.n not in self.refunded]
        if left:
            paid = self.chance.choice(left)
            yield self.act(
                "refund",
                self.town.people[paid.person],
                self.town.shops[paid.shop],
                amount=paid.amount + 1,
                other=paid.n,
                expect="over_refund",
            )


_PLAIN = {
    "old_code": "code_expired",
    "used_code": "code_used",
    "wrong_code": "code_wrong",
    "closed_purchase": "code_cancelled",
    "paid_purchase": "code_already_paid",
    "altered_code": "code_altered",
    "unknown_code": "code_unknown",
    "unknown_payee": "no_receiver",
    "own_phone": "same_wallet",
    "number_reused": "order_no_reused",
    "key_reused": "idempotency_key_reused",
    "no_amount": "amount_needed",
    "other_amount": "amount_fixed",
    "unknown_store": "store_not_found",
}
_GIVING = {
    "used_code": "scan",
    "paid_purchase": "dynamic",
    "number_reused": "dynamic",
    "key_reused": "dynamic",
}


def stand_price(shop: Shop) -> int:
    """What the stand with a fixed amount asks for, in fen."""
    return shop.trade.low + (shop.trade.high - shop.trade.low) // 40 * 10


def _class_of(kind: str, person: Person, check: str) -> str:
    if kind == "scan":
        return person.code_class
    if kind.startswith("stand"):
        return "d"
    return {"single": "c", "two_factors": "b", "signed": "a"}[check]
