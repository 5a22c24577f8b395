"""Stands: the static code on a counter or a wall, good until it is cancelled."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from feiqian.kernel.book import Turn
from feiqian.kernel.errors import NotFound
from feiqian.kernel.ids import new_id, show
from feiqian.kernel.money import Money
from feiqian.scenes.shop.counter import new_token, open_counter, queries


class Stand(msgspec.Struct, frozen=True):
    """A row of table static_code. amount: minor units, None when the payer says how much."""

    id: UUID
    token: str
    merchant: UUID
    store: UUID
    currency: str
    amount: int | None
    state: Literal["active", "cancelled"]
    created_at: datetime


async def put_up(
    turn: Turn, store: UUID, currency: str, amount: Money | None = None, merchant: UUID | None = None
) -> Stand:
    """Put up a static code. merchant: whose store it must be, when that matters.

    Raises: StoreNotFound, StoreClosed, CurrencyNotTaken.
    """
    counter = await open_counter(turn, [store])
    shop = counter.shop(store, merchant)
    shop.wallet(currency)
    stand = Stand(
        new_id(),
        new_token("s"),
        shop.merchant,
        store,
        currency,
        None if amount is None else amount.minor,
        "active",
        turn.at,
    )
    await queries.add_stand(
        turn.connection,
        id=stand.id,
        token=stand.token,
        merchant=stand.merchant,
        store=store,
        currency=currency,
        amount=stand.amount,
        at=turn.at,
    )
    _note(turn, "code.put_up", stand)
    return stand


async def find_stand(connection: Any, id: UUID) -> Stand:
    """A static code. Raises: NotFound."""
    row = await queries.stand(connection, id=id)
    if row is None:
        raise NotFound("code")
    return Stand(*row)


async def stands_of(connection: Any, store: UUID) -> list[Stand]:
    """A store's static codes, oldest first."""
    return [Stand(*row) for row in await queries.stands_of_store(connection, store=store)]


async def take_down(turn: Turn, id: UUID) -> Stand:
    """Cancel a static code; it can be paid no more. Raises: NotFound."""
    before = await find_stand(turn.connection, id)
    if await queries.cancel_stand(turn.connection, id=id) is None:
        raise NotFound("code")
    after = await find_stand(turn.connection, id)
    if after.state != before.state:
        _note(turn, "code.cancelled", after)
    return after


def _note(turn: Turn, verb: str, stand: Stand) -> None:
    ids = show("cod", stand.id), show("sto", stand.store), show("mch", stand.merchant)
    turn.note(verb, *ids, after={"state": stand.state, "amount": stand.amount, "currency": stand.currency})
