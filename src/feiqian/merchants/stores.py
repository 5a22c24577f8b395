"""Stores: open them, take on cashiers and set up terminals, many at once; close each for good.

As in register.py every verb may run twice, and each change is an event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from feiqian.kernel.book import Turn
from feiqian.kernel.errors import NotFound, Refused
from feiqian.kernel.ids import show
from feiqian.kernel.outbox import Outbox
from feiqian.kernel.text import clean_name
from feiqian.merchants.find import (
    find_cashier,
    find_cashiers,
    find_merchants,
    find_store,
    find_stores,
    find_terminal,
    find_terminals,
    queries,
)
from feiqian.merchants.merchant import (
    Cashier,
    MerchantClosed,
    NewCashier,
    NewStore,
    NewTerminal,
    Store,
    StoreStateRefused,
    Terminal,
)

Place = Store | Cashier | Terminal


async def add_stores(turn: Turn, asked: Sequence[NewStore]) -> list[Store | Refused]:
    """Open stores. Refuses: NotFound and MerchantClosed for the merchant; BadName."""
    merchants = await find_merchants(turn.connection, [one.merchant for one in asked])
    known = await find_stores(turn.connection, [one.id for one in asked])
    answers: list[Store | Refused] = []
    fresh: dict[UUID, Store] = {}
    for one in asked:
        try:
            before = known.get(one.id) or fresh.get(one.id)
            if before is None:
                merchant = merchants.get(one.merchant)
                if merchant is None:
                    raise NotFound("merchant")
                if merchant.state == "closed":
                    raise MerchantClosed("merchant")
                city = merchant.city if one.city is None else clean_name(one.city, "city")
                before = Store(one.id, merchant.id, clean_name(one.name), city, "active", turn.at)
                fresh[one.id] = before
            answers.append(before)
        except Refused as refusal:
            answers.append(refusal)
    if fresh:
        stores = list(fresh.values())
        await queries.add_stores(
            turn.connection,
            ids=[store.id for store in stores],
            merchants=[store.merchant for store in stores],
            names=[store.name for store in stores],
            cities=[store.city for store in stores],
            at=turn.at,
        )
        await _tell(turn, "store.opened", stores)
    return answers


async def add_cashiers(turn: Turn, asked: Sequence[NewCashier]) -> list[Cashier | Refused]:
    """Take cashiers on. Refuses: NotFound and StoreStateRefused for the store; BadName."""
    stores = await find_stores(turn.connection, [one.store for one in asked])
    known = await find_cashiers(turn.connection, [one.id for one in asked])
    answers: list[Cashier | Refused] = []
    fresh: dict[UUID, Cashier] = {}
    for one in asked:
        try:
            before = known.get(one.id) or fresh.get(one.id)
            if before is None:
                store = _open_store(stores, one.store)
                name = clean_name(one.name)
                before = Cashier(one.id, store.merchant, store.id, name, "active", turn.at)
                fresh[one.id] = before
            answers.append(before)
        except Refused as refusal:
            answers.append(refusal)
    if fresh:
        cashiers = list(fresh.values())
        await queries.add_cashiers(
            turn.connection,
            ids=[cashier.id for cashier in cashiers],
            stores=[cashier.store for cashier in cashiers],
            names=[cashier.name for cashier in cashiers],
            at=turn.at,
        )
        await _tell(turn, "cashier.added", cashiers)
    return answers


async def add_terminals(turn: Turn, asked: Sequence[NewTerminal]) -> list[Terminal | Refused]:
    """Set terminals up. Refuses: NotFound and StoreStateRefused for the store; BadName."""
    stores = await find_stores(turn.connection, [one.store for one in asked])
    known = await find_terminals(turn.connection, [one.id for one in asked])
    answers: list[Terminal | Refused] = []
    fresh: dict[UUID, Terminal] = {}
    for one in asked:
        try:
            before = known.get(one.id) or fresh.get(one.id)
            if before is None:
                store = _open_store(stores, one.store)
                label = clean_name(one.label, "label")
                before = Terminal(one.id, store.merchant, store.id, label, "active", turn.at)
                fresh[one.id] = before
            answers.append(before)
        except Refused as refusal:
            answers.append(refusal)
    if fresh:
        terminals = list(fresh.values())
        await queries.add_terminals(
            turn.connection,
            ids=[terminal.id for terminal in terminals],
            stores=[terminal.store for terminal in terminals],
            labels=[terminal.label for terminal in terminals],
            at=turn.at,
        )
        await _tell(turn, "terminal.added", terminals)
    return answers


def _open_store(stores: Mapping[UUID, Store], id: UUID) -> Store:
    store = stores.get(id)
    if store is None:
        raise NotFound("store")
    if store.state == "closed":
        raise StoreStateRefused("store")
    return store


async def close_store(turn: Turn, id: UUID) -> Store:
    """Close a store for good, and with it its cashiers and terminals. Raises: NotFound."""
    before = await find_store(turn.connection, id)
    if before.state == "closed":
        return before
    await queries.close_store(turn.connection, id=id)
    after = msgspec.structs.replace(before, state="closed")
    await _tell(turn, "store.closed", [after])
    return after


async def close_cashier(turn: Turn, id: UUID) -> Cashier:
    """Let a cashier go for good. Raises: NotFound."""
    before = await find_cashier(turn.connection, id)
    if before.state == "closed":
        return before
    await queries.close_cashier(turn.connection, id=id)
    after = msgspec.structs.replace(before, state="closed")
    await _tell(turn, "cashier.closed", [after])
    return after


async def close_terminal(turn: Turn, id: UUID) -> Terminal:
    """Take a terminal away for good. Raises: NotFound."""
    before = await find_terminal(turn.connection, id)
    if before.state == "closed":
        return before
    await queries.close_terminal(turn.connection, id=id)
    after = msgspec.structs.replace(before, state="closed")
    await _tell(turn, "terminal.closed", [after])
    return after


def _shown(one: Place) -> dict[str, Any]:
    """The public form. A cashier's name stays out: events are kept for years and sent to many."""
    shown: dict[str, Any] = {"merchant": show("mch", one.merchant), "state": one.state}
    if isinstance(one, Store):
        return {"store": {"id": show("sto", one.id), "name": one.name, **shown}}
    shown["store"] = show("sto", one.store)
    if isinstance(one, Cashier):
        return {"cashier": {"id": show("csh", one.id), **shown}}
    return {"terminal": {"id": show("ter", one.id), "label": one.label, **shown}}


def _ids(one: Place) -> list[str]:
    """The place, and whose it is."""
    merchant = show("mch", one.merchant)
    if isinstance(one, Store):
        return [show("sto", one.id), merchant]
    own = show("csh" if isinstance(one, Cashier) else "ter", one.id)
    return [own, show("sto", one.store), merchant]


async def _tell(turn: Turn, type: str, places: Sequence[Place]) -> None:
    outbox = Outbox()
    for one in places:
        outbox.tell(type, one.id, one.merchant, _shown(one))
        turn.note(type, *_ids(one), of=one.id, after={"state": one.state})
    await outbox.write(turn)
