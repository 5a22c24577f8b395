"""Stores, and the cashiers and terminals in them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from feiqian.access import ApiKey, owned_by
from feiqian.kernel.book import Turn
from feiqian.kernel.errors import NotFound
from feiqian.kernel.ids import as_id, read
from feiqian.kernel.text import BadName
from feiqian.merchants import (
    MerchantClosed,
    NewCashier,
    NewStore,
    NewTerminal,
    Store,
    StoreStateRefused,
    close_cashier,
    close_store,
    close_terminal,
    find_cashier,
    find_merchant,
    find_store,
    find_terminal,
    page_of_cashiers,
    page_of_stores,
    page_of_terminals,
)
from feiqian.web.api.shapes import (
    EndingBefore,
    Id,
    Limit,
    Name,
    OptionalKey,
    Page,
    StartingAfter,
    once,
    one_way,
    page_of,
    reads,
)
from feiqian.web.caller import book_of, key_of
from feiqian.web.show_trade import (
    CashierView,
    StoreView,
    TerminalView,
    show_cashier,
    show_store,
    show_terminal,
)

OfMerchant = Annotated[str, QueryParameter(name="merchant", max_length=64, description="Whose stores.")]
OfStore = Annotated[str, QueryParameter(name="store", max_length=64, description="Which store's.")]

_READ: dict[str, Any] = {"scope": "merchants:read"}
_WRITE: dict[str, Any] = {"scope": "merchants:write"}


class StoreIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A store to open. city: the merchant's when left out."""

    merchant: Id
    name: Name
    city: Name | None = None


class CashierIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cashier to take on."""

    store: Id
    name: Name


class TerminalIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A terminal to set up. label: how the staff call it."""

    store: Id
    label: Name


@post("/v1/stores", opt=_WRITE | {"refuses": (NotFound, MerchantClosed, BadName)}, tags=["stores"])
async def create_store(
    request: Request[Any, Any, Any], data: JSONBody[StoreIn], idempotency_key: OptionalKey = None
) -> Response[StoreView]:
    """Open a store."""
    merchant = as_id(read("mch", data.merchant, "merchant"))
    owned_by(key_of(request), merchant)
    return await once(request, "stores", idempotency_key, data, NewStore(merchant, data.name, data.city))


@get("/v1/stores", opt=_READ, tags=["stores"])
async def list_stores(
    request: Request[Any, Any, Any],
    merchant: OfMerchant,
    limit: Limit = 20,
    starting_after: StartingAfter = None,
    ending_before: EndingBefore = None,
) -> Page[StoreView]:
    """List a merchant's stores, newest first."""
    one_way(starting_after, ending_before)
    id = as_id(read("mch", merchant, "merchant"))
    owned_by(key_of(request), id)
    after, before = (
        reads("sto", starting_after, "starting_after"),
        reads("sto", ending_before, "ending_before"),
    )
    async with book_of(request).database.read() as connection:
        await find_merchant(connection, id)
        rows = await page_of_stores(connection, id, limit + 1, after, before)
    shown, more = page_of(rows, limit, before)
    return Page([show_store(each) for each in shown], more)


@get("/v1/stores/{store_id:str}", opt=_READ, tags=["stores"])
async def get_store(request: Request[Any, Any, Any], store_id: FromPath[str]) -> StoreView:
    """See one store."""
    async with book_of(request).database.read() as connection:
        return show_store(await _store(connection, key_of(request), store_id, "store_id"))


@post("/v1/stores/{store_id:str}/close", opt=_WRITE, tags=["stores"], status_code=200)
async def close_store_route(request: Request[Any, Any, Any], store_id: FromPath[str]) -> StoreView:
    """Close a store for good, and with it its cashiers and terminals."""
    key = key_of(request)

    async def close(turn: Turn) -> StoreView:
        store = await _store(turn.connection, key, store_id, "store_id")
        return show_store(await close_store(turn, store.id))

    return await book_of(request).write(close)


@post("/v1/cashiers", opt=_WRITE | {"refuses": (NotFound, StoreStateRefused, BadName)}, tags=["stores"])
async def create_cashier(
    request: Request[Any, Any, Any], data: JSONBody[CashierIn], idempotency_key: OptionalKey = None
) -> Response[CashierView]:
    """Take a cashier on in a store."""
    store = await _open_store(request, data.store)
    return await once(request, "cashiers", idempotency_key, data, NewCashier(store, data.name))


@get("/v1/cashiers", opt=_READ, tags=["stores"])
async def list_cashiers(
    request: Request[Any, Any, Any],
    store: OfStore,
    limit: Limit = 20,
    starting_after: StartingAfter = None,
    ending_before: EndingBefore = None,
) -> Page[CashierView]:
    """List a store's cashiers, newest first."""
    one_way(starting_after, ending_before)
    after, before = (
        reads("csh", starting_after, "starting_after"),
        reads("csh", ending_before, "ending_before"),
    )
    async with book_of(request).database.read() as connection:
        of = await _store(connection, key_of(request), store, "store")
        rows = await page_of_cashiers(connection, of.id, limit + 1, after, before)
    shown, more = page_of(rows, limit, before)
    return Page([show_cashier(each) for each in shown], more)


@get("/v1/cashiers/{cashier_id:str}", opt=_READ, tags=["stores"])
async def get_cashier(request: Request[Any, Any, Any], cashier_id: FromPath[str]) -> CashierView:
    """See one cashier."""
    async with book_of(request).database.read() as connection:
        found = await find_cashier(connection, as_id(read("csh", cashier_id, "cashier_id")))
    owned_by(key_of(request), found.merchant)
    return show_cashier(found)


@post("/v1/cashiers/{cashier_id:str}/close", opt=_WRITE, tags=["stores"], status_code=200)
async def close_cashier_route(request: Request[Any, Any, Any], cashier_id: FromPath[str]) -> CashierView:
    """Let a cashier go for good."""
    id, key = as_id(read("csh", cashier_id, "cashier_id")), key_of(request)

    async def close(turn: Turn) -> CashierView:
        owned_by(key, (await find_cashier(turn.connection, id)).merchant)
        return show_cashier(await close_cashier(turn, id))

    return await book_of(request).write(close)


@post("/v1/terminals", opt=_WRITE | {"refuses": (NotFound, StoreStateRefused, BadName)}, tags=["stores"])
async def create_terminal(
    request: Request[Any, Any, Any], data: JSONBody[TerminalIn], idempotency_key: OptionalKey = None
) -> Response[TerminalView]:
    """Set a terminal up in a store."""
    store = await _open_store(request, data.store)
    return await once(request, "terminals", idempotency_key, data, NewTerminal(store, data.label))


@get("/v1/terminals", opt=_READ, tags=["stores"])
async def list_terminals(
    request: Request[Any, Any, Any],
    store: OfStore,
    limit: Limit = 20,
    starting_after: StartingAfter = None,
    ending_before: EndingBefore = None,
) -> Page[TerminalView]:
    """List a store's terminals, newest first."""
    one_way(starting_after, ending_before)
    after, before = (
        reads("ter", starting_after, "starting_after"),
        reads("ter", ending_before, "ending_before"),
    )
    async with book_of(request).database.read() as connection:
        of = await _store(connection, key_of(request), store, "store")
        rows = await page_of_terminals(connection, of.id, limit + 1, after, before)
    shown, more = page_of(rows, limit, before)
    return Page([show_terminal(each) for each in shown], more)


@get("/v1/terminals/{terminal_id:str}", opt=_READ, tags=["stores"])
async def get_terminal(request: Request[Any, Any, Any], terminal_id: FromPath[str]) -> TerminalView:
    """See one terminal."""
    async with book_of(request).database.read() as connection:
        found = await find_terminal(connection, as_id(read("ter", terminal_id, "terminal_id")))
    owned_by(key_of(request), found.merchant)
    return show_terminal(found)


@post("/v1/terminals/{terminal_id:str}/close", opt=_WRITE, tags=["stores"], status_code=200)
async def close_terminal_route(request: Request[Any, Any, Any], terminal_id: FromPath[str]) -> TerminalView:
    """Take a terminal away for good."""
    id, key = as_id(read("ter", terminal_id, "terminal_id")), key_of(request)

    async def close(turn: Turn) -> TerminalView:
        owned_by(key, (await find_terminal(turn.connection, id)).merchant)
        return show_terminal(await close_terminal(turn, id))

    return await book_of(request).write(close)


async def _store(connection: Any, key: ApiKey, text: str, param: str) -> Store:
    """The store, if this key may see it. Raises: NotFound."""
    found = await find_store(connection, as_id(read("sto", text, param)))
    owned_by(key, found.merchant)
    return found


async def _open_store(request: Request[Any, Any, Any], text: str) -> UUID:
    async with book_of(request).database.read() as connection:
        return (await _store(connection, key_of(request), text, "store")).id


ROUTES = [
    create_store,
    list_stores,
    get_store,
    close_store_route,
    create_cashier,
    list_cashiers,
    get_cashier,
    close_cashier_route,
    create_terminal,
    list_terminals,
    get_terminal,
    close_terminal_route,
]
