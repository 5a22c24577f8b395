"""API keys: made, rotated and revoked. A key gives no more than it has."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from feiqian.access import (
    SCOPES,
    ApiKey,
    KeyEnded,
    check_grant,
    create,
    find_key,
    page_of_keys,
    prepare,
    revoke,
    rotate,
)
from feiqian.kernel.book import Turn
from feiqian.kernel.errors import NotFound
from feiqian.kernel.ids import as_id, read, show
from feiqian.kernel.text import BadName
from feiqian.merchants import find_merchant
from feiqian.web.api.shapes import EndingBefore, Id, Limit, Name, Page, StartingAfter, one_way, page_of, reads
from feiqian.web.caller import book_of, key_of
from feiqian.web.house import House

if TYPE_CHECKING:
    Scope = str
else:
    Scope = Literal[tuple(SCOPES)]

_OPT: dict[str, Any] = {"scope": "keys:write", "operator": True}


class KeyIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key to make. merchant: bind it to one merchant's objects."""

    name: Name
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=50)]
    merchant: Id | None = None


class RotateIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long the old key works beside the new one, at most 30 days."""

    overlap_seconds: Annotated[int, Meta(ge=0, le=30 * 86_400)] = 0


class KeyView(msgspec.Struct, frozen=True):
    """A key without its secret. tail: the secret's last four characters.

    version: the API version it is pinned to. ends_at: the first moment it no longer works.
    """

    id: str
    object: Literal["key"]
    name: str
    scopes: list[Scope]
    merchant: str | None
    tail: str
    version: date
    created_at: datetime
    ends_at: datetime | None


class NewKeyView(KeyView, frozen=True):
    """A key just made. secret: shown this once."""

    secret: str


@post("/v1/keys", opt=_OPT | {"refuses": (NotFound, BadName)}, tags=["keys"])
async def create_key(request: Request[Any, Any, Any], data: JSONBody[KeyIn]) -> NewKeyView:
    """Make a key with some of the scopes the asking key has. The secret is shown this once."""
    scopes, merchant = tuple(data.scopes), reads("mch", data.merchant, "merchant")
    check_grant(key_of(request), scopes, merchant)
    new = prepare(book_of(request).kind)

    async def make(turn: Turn) -> NewKeyView:
        if merchant is not None:
            await find_merchant(turn.connection, merchant)
        return _show_new(*await create(turn, data.name, scopes, merchant, new=new))

    return await book_of(request).write(make)


@get("/v1/keys", opt=_OPT, tags=["keys"])
async def list_keys(
    request: Request[Any, Any, Any],
    merchant: Annotated[
        str | None, QueryParameter(name="merchant", max_length=64, description="Only those bound to it.")
    ] = None,
    limit: Limit = 20,
    starting_after: StartingAfter = None,
    ending_before: EndingBefore = None,
) -> Page[KeyView]:
    """List keys, newest first, without their secrets."""
    one_way(starting_after, ending_before)
    async with book_of(request).database.read() as connection:
        rows = await page_of_keys(
            connection,
            limit + 1,
            reads("key", starting_after, "starting_after"),
            reads("key", ending_before, "ending_before"),
            reads("mch", merchant, "merchant"),
        )
    shown, more = page_of(rows, limit, ending_before)
    return Page([KeyView(**_fields(each)) for each in shown], more)


@post("/v1/keys/{key_id:str}/rotate", opt=_OPT | {"refuses": (KeyEnded,)}, tags=["keys"])
async def rotate_key(
    request: Request[Any, Any, Any], key_id: FromPath[str], data: JSONBody[RotateIn]
) -> NewKeyView:
    """Make the key that takes another's place. The old one works beside it until the overlap ends."""
    id, overlap = as_id(read("key", key_id, "key_id")), timedelta(seconds=data.overlap_seconds)
    new = prepare(book_of(request).kind)

    async def make(turn: Turn) -> NewKeyView:
        old = await find_key(turn.connection, id)
        # Who gets the new secret gets all the old key may do.
        check_grant(key_of(request), old.scopes, old.merchant)
        return _show_new(*await rotate(turn, id, overlap, new))

    made = await book_of(request).write(make)
    await _house(request).heard(book_of(request))
    return made


@post("/v1/keys/{key_id:str}/revoke", opt=_OPT, tags=["keys"], status_code=200)
async def revoke_key(request: Request[Any, Any, Any], key_id: FromPath[str]) -> KeyView:
    """End a key now, whatever overlap it had left; one that may do no more than the asking key may."""
    id = as_id(read("key", key_id, "key_id"))

    async def end(turn: Turn) -> ApiKey:
        key = await find_key(turn.connection, id)
        check_grant(key_of(request), key.scopes, key.merchant)
        return await revoke(turn, id)

    ended = await book_of(request).write(end)
    await _house(request).heard(book_of(request))
    return KeyView(**_fields(ended))


def _house(request: Request[Any, Any, Any]) -> House:
    house: House = request.app.state.house
    return house


def _show_new(key: ApiKey, secret: str) -> NewKeyView:
    return NewKeyView(**_fields(key), secret=secret)


def _fields(key: ApiKey) -> dict[str, Any]:
    return {
        "id": show("key", key.id),
        "object": "key",
        "name": key.name,
        "scopes": list(key.scopes),
        "merchant": None if key.merchant is None else show("mch", key.merchant),
        "tail": key.tail,
        "version": key.version,
        "created_at": key.created_at,
        "ends_at": key.ends_at,
    }


ROUTES = [create_key, list_keys, rotate_key, revoke_key]
