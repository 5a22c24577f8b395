"""The counter: facts about shops and purchases that a batch needs, and the purchases it makes or changes."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from feiqian.kernel.book import Turn
from feiqian.kernel.errors import NotFound, Refused
from feiqian.kernel.ids import new_id
from feiqian.kernel.queries import Writing, load, together
from feiqian.payments import Payment
from feiqian.scenes.shop.purchase import (
    CodeAlreadyPaid,
    NewPurchase,
    OrderNoReused,
    Purchase,
    Shop,
    StoreNotFound,
    TillWrongShop,
)

queries = load(Path(__file__).parent)

_COLUMNS = Purchase.__struct_fields__
_JSON = msgspec.json.Encoder()


class Counter:
    """Shops and purchases of one batch, kept in memory until `write`."""

    def __init__(self, turn: Turn, shops: dict[UUID, Shop], tills: dict[UUID, UUID]) -> None:
        self.turn = turn
        self.shops = shops
        self._tills = tills
        self._by_number: dict[tuple[UUID, str], Purchase] = {}
        self._new: list[Purchase] = []
        self._changed: dict[UUID, Purchase] = {}

    def know(self, purchases: Iterable[Purchase]) -> None:
        """Purchases read from the database."""
        for purchase in purchases:
            self._by_number[purchase.merchant, purchase.merchant_order_no] = purchase

    def shop(self, store: UUID, merchant: UUID | None) -> Shop:
        """The store, if this merchant may name it. Raises: StoreNotFound."""
        shop = self.shops.get(store)
        if shop is None or (merchant is not None and shop.merchant != merchant):
            raise StoreNotFound("store")
        return shop

    def known_id(self, asked: NewPurchase) -> UUID | None:
        """The purchase that this order number already is, if any."""
        shop = self.shops.get(asked.store)
        known = self._by_number.get((shop.merchant, asked.merchant_order_no)) if shop else None
        return known.id if known else None

    def find(self, asked: NewPurchase) -> Purchase | None:
        """The purchase that this order number already is, or None when it may be rung up now.

        Raises: OrderNoReused when the number was for something else, and what the shop's state says.
        """
        shop = self.shop(asked.store, asked.merchant)
        known = self._by_number.get((shop.merchant, asked.merchant_order_no))
        if known is not None and not known.same_as(asked):
            raise OrderNoReused("merchant_order_no")
        if known is None or known.state == "open":
            shop.wallet(asked.amount.currency)
        if known is None:
            self._check_tills(asked)
        return known

    def _check_tills(self, asked: NewPurchase) -> None:
        for name, till in (("terminal", asked.terminal), ("cashier", asked.cashier)):
            if till is not None and self._tills.get(till) != asked.store:
                raise TillWrongShop(name)

    def ring_up(self, asked: NewPurchase, *, with_code: bool = True) -> Purchase:
        """The purchase of that order number, made now or before; an open one gets a code that can be paid.

        Raises: as find.
        """
        known = self.find(asked)
        if known is not None:
            stale = known.code is None or self.turn.at >= known.expires_at
            if with_code and known.state == "open" and stale:
                known.code, known.expires_at = new_token("d"), self._open_until(asked)
                self._changed[known.id] = known
            return known
        shop = self.shops[asked.store]
        purchase = Purchase(
            id=new_id(),
            merchant=shop.merchant,
            store=asked.store,
            terminal=asked.terminal,
            cashier=asked.cashier,
            merchant_order_no=asked.merchant_order_no,
            description=asked.description,
            currency=asked.amount.currency,
            amount=asked.amount.minor,
            capture=asked.capture,
            hold_seconds=asked.hold_seconds,
            state="open",
            code=new_token("d") if with_code else None,
            expires_at=self._open_until(asked),
            payment=None,
            static_code=None,
            metadata=dict(asked.metadata),
            created_at=self.turn.at,
        )
        self.add(purchase)
        return purchase

    def _open_until(self, asked: NewPurchase) -> datetime:
        seconds = asked.open_seconds or self.turn.book.codes.dynamic_seconds
        return self.turn.at + timedelta(seconds=seconds)

    def add(self, purchase: Purchase) -> None:
        """A new purchase."""
        self._by_number[purchase.merchant, purchase.merchant_order_no] = purchase
        self._new.append(purchase)

    def note(self, purchase: Purchase, answer: Payment | Refused) -> None:
        """A purchase is paid when a payment for it stands."""
        if isinstance(answer, Payment) and answer.state != "refused":
            purchase.state, purchase.payment = "paid", answer.id
            self._changed[purchase.id] = purchase

    def close(self, purchase: Purchase) -> None:
        """The shop no longer wants it paid."""
        purchase.state = "closed"
        self._changed[purchase.id] = purchase

    async def write(self) -> None:
        """Store new purchases as they now stand, and what became of older ones."""
        await together(self.turn.connection, *self.writings())

    def writings(self) -> Iterator[Writing]:
        """What stores all, for those who store more at once."""
        if self._new:
            columns = {name: [getattr(p, name) for p in self._new] for name in _COLUMNS}
            columns["metadata"] = [_JSON.encode(each).decode() for each in columns["metadata"]]
            yield queries.add_purchases, columns
        fresh = {purchase.id for purchase in self._new}
        changed = [purchase for id, purchase in self._changed.items() if id not in fresh]
        if changed:
            yield (
                queries.change_purchases,
                {
                    "ids": [p.id for p in changed],
                    "states": [p.state for p in changed],
                    "payments": [p.payment for p in changed],
                    "codes": [p.code for p in changed],
                    "expires_at": [p.expires_at for p in changed],
                },
            )


def new_token(kind: str) -> str:
    """The unguessable part of a code: `d` or `s` for dynamic or static, and 96 random bits in hex."""
    return kind + secrets.token_hex(12)


async def open_counter(turn: Turn, stores: Iterable[UUID], tills: Iterable[UUID | None] = ()) -> Counter:
    """Read the shops of these stores and where these terminals and cashiers belong."""
    shops = await read_shops(turn.connection, stores)
    named = [till for till in tills if till is not None]
    rows = await queries.tills(turn.connection, ids=named) if named else []
    return Counter(turn, shops, {row["id"]: row["store"] for row in rows})


async def read_shops(connection: Any, stores: Iterable[UUID]) -> dict[UUID, Shop]:
    """Shops by store id."""
    shops: dict[UUID, Shop] = {}
    for row in await queries.shops(connection, stores=list(set(stores))):
        *columns, wallet, currency = row
        shop = shops.setdefault(row["store"], Shop(*columns))
        if currency is not None:
            shop.wallets[currency] = wallet
    return shops


def purchases_in(rows: Sequence[Any]) -> list[Purchase]:
    """Rows of table purchase."""
    return [Purchase(*row) for row in rows]


async def ring_up(turn: Turn, asked: Sequence[NewPurchase]) -> list[Purchase | Refused]:
    """Open purchases to be paid by their dynamic code. -> a purchase or a refusal each.

    The same order number with the same content is the same purchase, whatever became of it.
    """
    counter = await counter_for(turn, asked)
    answers: list[Purchase | Refused] = []
    for each in asked:
        try:
            answers.append(counter.ring_up(each))
        except Refused as refusal:
            answers.append(refusal)
    await counter.write()
    return answers


async def counter_for(turn: Turn, asked: Sequence[NewPurchase]) -> Counter:
    """A counter that knows the shops of these purchases and any earlier use of their numbers."""
    counter = await open_counter(
        turn,
        [each.store for each in asked],
        [till for each in asked for till in (each.terminal, each.cashier)],
    )
    numbers = [
        (counter.shops[each.store].merchant, each.merchant_order_no)
        for each in asked
        if each.store in counter.shops
    ]
    rows = await queries.by_order_no(
        turn.connection, merchants=[m for m, _ in numbers], order_nos=[n for _, n in numbers]
    )
    counter.know(purchases_in(rows))
    return counter


async def find_purchases(connection: Any, ids: Sequence[UUID]) -> list[Purchase]:
    """Purchases by id, in the order asked; ids that do not exist are left out."""
    found = {p.id: p for p in purchases_in(await queries.by_id(connection, ids=list(ids)))}
    return [found[id] for id in ids if id in found]


async def page_of_purchases(
    connection: Any,
    merchant: UUID | None,
    order_no: str | None,
    limit: int,
    after: UUID | None = None,
    before: UUID | None = None,
) -> tuple[list[Purchase], bool]:
    """Purchases newest first. -> the page, and whether more lie behind it.

    merchant: None is everybody's. after: the id the page begins behind; before: the id it ends before.
    """
    asked: dict[str, Any] = {"order_no": order_no, "most": limit + 1}
    older, newer = queries.page_before, queries.page_after
    if merchant is not None:
        asked["merchant"] = merchant
        older, newer = queries.merchants_page_before, queries.merchants_page_after
    if before is not None:
        rows = await newer(connection, after=before, **asked)
        ids = [row["id"] for row in reversed(rows[:limit])]
    else:
        rows = await older(connection, before=after, **asked)
        ids = [row["id"] for row in rows[:limit]]
    return await find_purchases(connection, ids), len(rows) > limit


async def close_purchase(turn: Turn, id: UUID, merchant: UUID | None = None) -> Purchase:
    """Close an open purchase; one that is closed already stays so.

    merchant: whose it must be, when that matters. Raises: NotFound, CodeAlreadyPaid.
    """
    found = await find_purchases(turn.connection, [id])
    if not found or merchant not in (None, found[0].merchant):
        raise NotFound("purchase_id")
    purchase = found[0]
    if purchase.state == "paid":
        raise CodeAlreadyPaid("purchase_id")
    if purchase.state == "open":
        counter = Counter(turn, {}, {})
        counter.close(purchase)
        await counter.write()
    return purchase
