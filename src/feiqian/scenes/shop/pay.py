"""Pay a shop's code: the customer scans what the shop shows, sees the price, and pays it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from feiqian.kernel.book import Turn
from feiqian.kernel.errors import Refused
from feiqian.kernel.ids import new_id
from feiqian.kernel.money import CurrencyMismatch, Money
from feiqian.payments import Payment, submit
from feiqian.payments.submit import SubjectReused
from feiqian.scenes.shop import shop_code
from feiqian.scenes.shop.counter import Counter, open_counter, purchases_in, queries, read_shops
from feiqian.scenes.shop.purchase import (
    AmountFixed,
    AmountNeeded,
    CodeAlreadyPaid,
    CodeCancelled,
    CodeExpired,
    CodeUnknown,
    Purchase,
    Shop,
)
from feiqian.scenes.shop.shop_code import ShopCode
from feiqian.scenes.shop.stand import Stand

Check = Literal["single", "two_factors", "signed"]
"""How the customer proved their will: fewer than two factors, two, or two with a signature."""

_CLASS: dict[Check, str] = {"single": "c", "two_factors": "b", "signed": "a"}


class Pay(msgspec.Struct, frozen=True):
    """Pay what a shop's code says. amount: only for a code that leaves it to the payer."""

    payer: UUID
    code: str
    amount: Money | None = None
    check: Check = "single"


class Price(msgspec.Struct, frozen=True):
    """What paying a code would mean. amount: None when the payer says how much; fee: borne by the shop."""

    shop: Shop
    amount: Money | None
    currency: str
    purchase: Purchase | None
    stand: Stand | None


async def read_price(turn: Turn, text: str) -> Price:
    """What a code asks for, before anybody pays. Raises: Refused with the reason it cannot be paid."""
    shown = shop_code.read(text, turn.book.codes.guid)
    facts = await _facts(turn.connection, [shown])
    return facts.price(shown, await read_shops(turn.connection, facts.stores), turn.at)


async def pay(turn: Turn, asked: Sequence[Pay]) -> list[tuple[Purchase, Payment] | Refused]:
    """Pay shops' codes, in order. -> the purchase and its payment, or why there is none, each.

    Two customers at one code: the first pays, the second hears that it is paid already.
    """
    read: list[ShopCode | Refused] = []
    for each in asked:
        try:
            read.append(shop_code.read(each.code, turn.book.codes.guid))
        except Refused as refusal:
            read.append(refusal)
    facts = await _facts(turn.connection, [r for r in read if isinstance(r, ShopCode)])
    counter = await open_counter(turn, facts.stores)
    answers: list[tuple[Purchase, Payment] | Refused] = [
        r if isinstance(r, Refused) else CodeUnknown("code") for r in read
    ]
    waiting = [
        (i, each, r) for i, (each, r) in enumerate(zip(asked, read, strict=True)) if isinstance(r, ShopCode)
    ]
    while waiting:
        # One payer per purchase and round: the next one must see what became of the first.
        chosen: dict[UUID, tuple[int, Purchase, Any]] = {}
        later = []
        for index, each, one in waiting:
            try:
                purchase = _purchase(turn, counter, facts, each, one)
            except Refused as refusal:
                answers[index] = refusal
                continue
            if purchase.id in chosen:
                later.append((index, each, one))
                continue
            wallet = counter.shops[purchase.store].wallets[purchase.currency]
            chosen[purchase.id] = (index, purchase, purchase.order(each.payer, wallet, _refs(each, purchase)))
        outcomes = await submit(turn, [order for _, _, order in chosen.values()])
        for (index, purchase, _), outcome in zip(chosen.values(), outcomes, strict=True):
            answers[index] = _answer(counter, purchase, outcome)
        waiting = later
    await counter.write()
    return answers


def _purchase(turn: Turn, counter: Counter, facts: _Facts, each: Pay, one: ShopCode) -> Purchase:
    price = facts.price(one, counter.shops, turn.at)
    if price.purchase is not None:
        if each.amount is not None and each.amount != price.amount:
            raise AmountFixed("amount")
        price.shop.wallet(price.currency)
        return price.purchase
    amount = price.amount if each.amount is None else each.amount
    if amount is None:
        raise AmountNeeded("amount")
    if price.amount is not None and amount != price.amount:
        raise AmountFixed("amount")
    if amount.currency != price.currency:
        raise CurrencyMismatch("amount.currency", code=price.currency)
    price.shop.wallet(amount.currency)
    assert price.stand is not None
    return _at_stand(turn, price.shop, price.stand, amount)


def _at_stand(turn: Turn, shop: Shop, stand: Stand, amount: Money) -> Purchase:
    id = new_id()
    return Purchase(
        id=id,
        merchant=shop.merchant,
        store=shop.store,
        terminal=None,
        cashier=None,
        merchant_order_no=f"S{id.hex}",  # nobody rang it up, so it gets a number of its own
        description="",
        currency=amount.currency,
        amount=amount.minor,
        capture="now",
        hold_seconds=None,
        state="open",
        code=None,
        expires_at=turn.at,
        payment=None,
        static_code=stand.id,
        metadata={},
        created_at=turn.at,
    )


def _refs(each: Pay, purchase: Purchase) -> dict[str, str]:
    by_stand = purchase.static_code is not None
    return {
        "code": "static" if by_stand else "dynamic",
        # A static code is class D whatever the check (notice 296 of 2017).
        "code_class": "d" if by_stand else _CLASS[each.check],
        "merchant_order_no": purchase.merchant_order_no,
    }


def _answer(
    counter: Counter, purchase: Purchase, outcome: Payment | Refused
) -> tuple[Purchase, Payment] | Refused:
    if isinstance(outcome, SubjectReused):
        return CodeAlreadyPaid("code")
    if isinstance(outcome, Refused):
        return outcome
    if purchase.static_code is not None and outcome.state != "refused":
        counter.add(purchase)  # what nobody rang up is written down once it is paid
    counter.note(purchase, outcome)
    return purchase, outcome


@dataclass
class _Facts:
    purchases: dict[str, Purchase]
    stands: dict[str, Stand]

    @property
    def stores(self) -> list[UUID]:
        return [p.store for p in self.purchases.values()] + [s.store for s in self.stands.values()]

    def price(self, one: ShopCode, shops: dict[UUID, Shop], at: datetime) -> Price:
        """Raises: Refused with the reason the code cannot be paid now."""
        purchase, stand = self.purchases.get(one.token), self.stands.get(one.token)
        if purchase is not None:
            shop = shops[purchase.store]
            amount = Money(purchase.amount, purchase.currency)
            shop_code.agrees(one, shop, amount, purchase.currency)
            if purchase.state == "paid":
                raise CodeAlreadyPaid("code")
            if purchase.state == "closed":
                raise CodeCancelled("code")
            if at >= purchase.expires_at:
                raise CodeExpired("code", expired_at=purchase.expires_at.isoformat())
            return Price(shop, amount, purchase.currency, purchase, None)
        if stand is not None:
            shop = shops[stand.store]
            fixed = None if stand.amount is None else Money(stand.amount, stand.currency)
            shop_code.agrees(one, shop, fixed, stand.currency)
            if stand.state == "cancelled":
                raise CodeCancelled("code")
            return Price(shop, fixed, stand.currency, None, stand)
        raise CodeUnknown("code")


async def _facts(connection: Any, read: Sequence[ShopCode]) -> _Facts:
    dynamic = [one.token for one in read if one.is_dynamic]
    static = [one.token for one in read if not one.is_dynamic]
    rows = await queries.by_token(connection, tokens=dynamic) if dynamic else []
    stands = await queries.stands(connection, tokens=static) if static else []
    return _Facts(
        {purchase.code: purchase for purchase in purchases_in(rows) if purchase.code},
        {row["token"]: Stand(*row) for row in stands},
    )
