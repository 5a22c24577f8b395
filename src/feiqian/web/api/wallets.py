"""Wallets: balance, statement, state and the owner's own limits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from feiqian.access import ApiKey, allow, owned_by
from feiqian.instruments.limits import OwnLimit
from feiqian.instruments.manage import (
    BadLimits,
    WalletStateRefused,
    close,
    freeze,
    release,
    set_limits,
    wallet,
)
from feiqian.instruments.wallet import HOUSE, Wallet
from feiqian.kernel.book import Turn
from feiqian.kernel.errors import NotFound
from feiqian.kernel.ids import as_id, read
from feiqian.kernel.money import MAX_MINOR, Money
from feiqian.ledger.account import AccountNotEmpty
from feiqian.web.api.shapes import EndingBefore, Limit, Page, StartingAfter
from feiqian.web.api.statement import EntryView, balance_at, page_of_entries
from feiqian.web.caller import book_of, key_of
from feiqian.web.show_people import WalletView, show_wallets

At = Annotated[
    str | None,
    QueryParameter(
        name="at",
        max_length=40,
        schema_extra={"format": "date-time"},
        description="Any past moment in RFC 3339 with its offset; now when left out.",
    ),
]

# A merchant's wallet belongs with its merchant, all others with customers; one will do at the door.
_READ: dict[str, Any] = {"scope": ("customers:read", "merchants:read")}
_WRITE: dict[str, Any] = {"scope": ("customers:write", "merchants:write"), "operator": True}


class MomentView(msgspec.Struct, frozen=True):
    """A wallet's balance at a moment."""

    object: Literal["balance"]
    wallet: str
    at: datetime
    posted: Money
    held: Money
    available: Money


class LimitIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A limit of the owner's own. most: minor units, or a count."""

    measure: Literal["amount", "count"]
    period: Literal["payment", "day", "year"]
    most: Annotated[int, Meta(ge=1, le=MAX_MINOR)]


@get("/v1/wallets/{wallet_id:str}", opt=_READ, tags=["wallets"])
async def get_wallet(request: Request[Any, Any, Any], wallet_id: FromPath[str]) -> WalletView:
    """See a wallet with its balance."""
    book = book_of(request)
    async with book.database.read() as connection:
        found = await _mine(connection, key_of(request), wallet_id, "read")
        return (await show_wallets(connection, [found], book.clock.now()))[0]


@get("/v1/wallets/{wallet_id:str}/balance", opt=_READ, tags=["wallets"])
async def get_wallet_balance(
    request: Request[Any, Any, Any], wallet_id: FromPath[str], at: At = None
) -> MomentView:
    """See a wallet's balance, now or at any past moment."""
    async with book_of(request).database.read() as connection:
        found = await _mine(connection, key_of(request), wallet_id, "read")
    balance, then = await balance_at(request, found.account_key, at)

    def money(minor: int) -> Money:
        return Money(minor, found.currency)

    return MomentView(
        "balance", wallet_id, then, money(balance.posted), money(balance.held), money(balance.available)
    )


@get("/v1/wallets/{wallet_id:str}/entries", opt=_READ, tags=["wallets"])
async def list_wallet_entries(
    request: Request[Any, Any, Any],
    wallet_id: FromPath[str],
    limit: Limit = 20,
    starting_after: StartingAfter = None,
    ending_before: EndingBefore = None,
) -> Page[EntryView]:
    """List what moved in a wallet, newest first, each entry with the balance after it."""
    async with book_of(request).database.read() as connection:
        found = await _mine(connection, key_of(request), wallet_id, "read")
    return await page_of_entries(request, found.account_key, limit, starting_after, ending_before)


@post(
    "/v1/wallets/{wallet_id:str}/freeze",
    opt=_WRITE | {"refuses": (WalletStateRefused,)},
    tags=["wallets"],
    status_code=200,
)
async def freeze_wallet(request: Request[Any, Any, Any], wallet_id: FromPath[str]) -> WalletView:
    """Freeze a wallet: nothing can be paid from it; it still receives."""
    return await _change(request, wallet_id, freeze)


@post(
    "/v1/wallets/{wallet_id:str}/release",
    opt=_WRITE | {"refuses": (WalletStateRefused,)},
    tags=["wallets"],
    status_code=200,
)
async def release_wallet(request: Request[Any, Any, Any], wallet_id: FromPath[str]) -> WalletView:
    """Release a frozen wallet: it can pay again."""
    return await _change(request, wallet_id, release)


@post(
    "/v1/wallets/{wallet_id:str}/close",
    opt=_WRITE | {"refuses": (WalletStateRefused, AccountNotEmpty)},
    tags=["wallets"],
    status_code=200,
)
async def close_wallet(request: Request[Any, Any, Any], wallet_id: FromPath[str]) -> WalletView:
    """Close a wallet for good. It must be empty."""
    return await _change(request, wallet_id, close)


@put(
    "/v1/wallets/{wallet_id:str}/limits",
    opt=_WRITE | {"refuses": (WalletStateRefused, BadLimits)},
    tags=["wallets"],
)
async def limit_wallet(
    request: Request[Any, Any, Any],
    wallet_id: FromPath[str],
    data: JSONBody[Annotated[list[LimitIn], Meta(max_length=6)]],
) -> WalletView:
    """Put the owner's own limits in place of those before; an empty list lifts them all."""
    limits = [OwnLimit(each.measure, each.period, each.most) for each in data]
    return await _change(request, wallet_id, lambda turn, id: set_limits(turn, id, limits))


async def _change(
    request: Request[Any, Any, Any], wallet_id: str, verb: Callable[[Turn, Any], Awaitable[Wallet]]
) -> WalletView:
    async def change(turn: Turn) -> WalletView:
        found = await _mine(turn.connection, key_of(request), wallet_id, "write")
        return (await show_wallets(turn.connection, [await verb(turn, found.id)], turn.at))[0]

    return await book_of(request).write(change)


async def _mine(connection: Any, key: ApiKey, wallet_id: str, act: str) -> Wallet:
    """The wallet, if this key may see it. Raises: NotFound, Forbidden. The house's own are the ledger's."""
    found = await wallet(connection, as_id(read("wal", wallet_id, "wallet_id")))
    if found.owner == HOUSE:
        raise NotFound("wallet_id")
    owned_by(key, found.owner)
    allow(key, f"{'customers' if found.is_customers else 'merchants'}:{act}")
    return found


ROUTES = [
    get_wallet,
    get_wallet_balance,
    list_wallet_entries,
    freeze_wallet,
    release_wallet,
    close_wallet,
    limit_wallet,
]
