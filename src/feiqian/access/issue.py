"""Issue: make keys, rotate and revoke them, list them. Each is an event, and told to every keyring.

A secret is answered once and never kept. Should the database be lost while a key is made, making runs
again, and the first key stays behind with a secret that nobody knows.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from feiqian.access.key import (
    API_VERSION,
    ApiKey,
    BadOverlap,
    KeyEnded,
    Kind,
    NewKey,
    check_scopes,
    digest,
    new_secret,
)
from feiqian.kernel.book import Turn
from feiqian.kernel.errors import NotFound
from feiqian.kernel.ids import new_id, show
from feiqian.kernel.outbox import Outbox
from feiqian.kernel.pages import span
from feiqian.kernel.queries import load
from feiqian.kernel.text import clean_name

queries = load(Path(__file__).parent)

CHANNEL = "feiqian_keys"
OVERLAP_MAX = timedelta(days=30)


async def create(
    turn: Turn,
    name: str,
    scopes: Collection[str],
    merchant: UUID | None = None,
    principal: UUID | None = None,
    new: NewKey | None = None,
) -> tuple[ApiKey, str]:
    """Make a key. -> the key and its secret, shown this once.

    merchant: bind it to one merchant's objects. principal: whose requests these are; a new one when
    not given. That a caller gives no more than it has is for check_grant to say.
    Raises: BadName, BadScopes.
    """
    new = new or prepare(turn.book.kind)
    row = await queries.key(turn.connection, id=new.id)
    if row is not None:
        return as_key(row), new.secret
    owner = principal or new_id()
    fresh, secret = await _make(turn, new, clean_name(name), check_scopes(scopes), merchant, owner)
    turn.note("key.created", *_objects(fresh), after=_rights(fresh))
    return fresh, secret


def prepare(kind: Kind) -> NewKey:
    """Id and secret for a key of a book of that kind."""
    return NewKey(new_id(), new_secret(kind))


async def rotate(turn: Turn, id: UUID, overlap: timedelta, new: NewKey | None = None) -> tuple[ApiKey, str]:
    """Make the key that takes another's place; the old one works beside it until the overlap ends.

    -> the new key, with the old one's principal, merchant and scopes, and its secret, shown this once.
    Raises: NotFound, BadOverlap; KeyEnded when the old one has ended or was rotated before.
    """
    if not timedelta(0) <= overlap <= OVERLAP_MAX:
        raise BadOverlap("overlap", days_max=OVERLAP_MAX.days)
    row = await queries.key(turn.connection, id=id)
    if row is None:
        raise NotFound
    old = as_key(row)
    new = new or prepare(turn.book.kind)
    if row["replaced_by"] == new.id:
        return await find_key(turn.connection, new.id), new.secret
    if row["revoked_at"] or row["replaced_by"] or old.has_ended(turn.at):
        raise KeyEnded
    fresh, secret = await _make(turn, new, old.name, old.scopes, old.merchant, old.principal)
    await queries.replace_key(turn.connection, id=id, by=fresh.id, ends_at=turn.at + overlap)
    await _changed(turn, "key.rotated", old, replaced_by=show("key", fresh.id))
    ended = _rights(old) | {"ends_at": turn.at + overlap}
    turn.note("key.rotated", *_objects(old, fresh), before=_rights(old), after=ended)
    return fresh, secret


async def revoke(turn: Turn, id: UUID) -> ApiKey:
    """End a key now, whatever overlap it had left. Raises: NotFound."""
    row = await queries.key(turn.connection, id=id)
    if row is None:
        raise NotFound
    if row["revoked_at"]:
        return as_key(row)
    after = as_key(await queries.revoke_key(turn.connection, id=id, at=turn.at))
    await _changed(turn, "key.revoked", after)
    turn.note("key.revoked", *_objects(after), before=_rights(as_key(row)), after=_rights(after))
    return after


async def find_key(connection: Any, id: UUID) -> ApiKey:
    """The key of that id, ended or not. Raises: NotFound."""
    row = await queries.key(connection, id=id)
    if row is None:
        raise NotFound
    return as_key(row)


async def page_of_keys(
    connection: Any,
    limit: int,
    starting_after: UUID | None = None,
    ending_before: UUID | None = None,
    merchant: UUID | None = None,
) -> list[ApiKey]:
    """A page of keys, newest first (kernel/pages.py). merchant: only those bound to it."""
    page = span(limit, starting_after, ending_before)
    if merchant is None:
        rows = await queries.keys_page(connection, **page)
    else:
        rows = await queries.keys_page_of(connection, merchant=merchant, **page)
    return [as_key(row) for row in rows]


def as_key(row: Any) -> ApiKey:
    """A row of api_key as a value; what it has beyond that is left out."""
    return ApiKey(
        id=row["id"],
        principal=row["principal"],
        merchant=row["merchant"],
        name=row["name"],
        scopes=tuple(row["scopes"]),
        tail=row["tail"],
        version=row["version"],
        created_at=row["created_at"],
        ends_at=row["ends_at"],
    )


async def _make(
    turn: Turn, new: NewKey, name: str, scopes: tuple[str, ...], merchant: UUID | None, principal: UUID
) -> tuple[ApiKey, str]:
    secret = new.secret
    fresh = ApiKey(
        id=new.id,
        principal=principal,
        merchant=merchant,
        name=name,
        scopes=scopes,
        tail=secret[-4:],
        version=API_VERSION,
        created_at=turn.at,
        ends_at=None,
    )
    await queries.add_key(
        turn.connection,
        id=fresh.id,
        principal=fresh.principal,
        merchant=fresh.merchant,
        name=fresh.name,
        scopes=list(fresh.scopes),
        secret_hash=digest(secret),
        tail=fresh.tail,
        version=fresh.version,
        at=turn.at,
    )
    await _tell(turn, "key.created", fresh)
    return fresh, secret


def _objects(*keys: ApiKey) -> list[str]:
    merchants = {show("mch", key.merchant) for key in keys if key.merchant is not None}
    return [*(show("key", key.id) for key in keys), *merchants]


def _rights(key: ApiKey) -> dict[str, Any]:
    return {"scopes": key.scopes, "ends_at": key.ends_at}


async def _changed(turn: Turn, type: str, key: ApiKey, **more: str) -> None:
    """Tell it, and tell every keyring of this book to forget what it knows once this is committed."""
    await queries.notify(
        turn.connection, channel=CHANNEL, payload=f"{turn.book.database.schema} {key.id.hex}"
    )
    await _tell(turn, type, key, **more)


async def _tell(turn: Turn, type: str, key: ApiKey, **more: str) -> None:
    shown: dict[str, str | tuple[str, ...] | datetime | None] = {
        "id": show("key", key.id),
        "merchant": None if key.merchant is None else show("mch", key.merchant),
        "name": key.name,
        "scopes": key.scopes,
        **more,
    }
    outbox = Outbox()
    outbox.tell(type, key.id, key.merchant, {"key": shown})
    await outbox.write(turn)
