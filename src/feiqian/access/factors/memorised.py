"""Memorised: passwords and PINs as they are kept, and the one way to check them.

A check counts the try in a turn, hashes outside of any turn, and forgives in another: the book has one
writer at a time, and a hash takes as long as hundreds of payments.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from feiqian.access.factors.hashing import Hasher
from feiqian.access.factors.proof import queries, sealing_of
from feiqian.access.factors.tries import Rule, TooManyTries, Tries, begin, forgive
from feiqian.kernel.book import Book, Turn
from feiqian.kernel.errors import Refused
from feiqian.kernel.ids import new_id, show
from feiqian.kernel.outbox import Outbox
from feiqian.kernel.secret import open_sealed, seal

Kind = Literal["password", "pin"]


class UsedBefore(Refused):
    """This was used before. Choose one that differs from the last few."""

    code, status, zh = "used_before", 422, "不能与最近用过的相同，请另设一个。"


class Kept(msgspec.Struct, frozen=True):
    """A password or PIN as it is kept. encoded: argon2's text, opened."""

    owner: UUID
    encoded: str
    set_at: datetime

    def __repr__(self) -> str:
        return f"Kept(owner={self.owner})"


async def find(connection: Any, book: Book, kind: Kind, owner: UUID) -> Kept | None:
    """What is kept of an owner's secret."""
    row = await queries.memorised(connection, kind=kind, owner=owner)
    return None if row is None else opened(book, kind, owner, row["sealed"], row["set_at"])


def opened(book: Book, kind: Kind, owner: UUID, sealed: bytes, set_at: datetime) -> Kept:
    """A row as a value. Raises: SealBroken."""
    return Kept(owner, open_sealed(sealing_of(book), sealed, _about(kind, owner)).decode(), set_at)


async def remember(
    book: Book, hasher: Hasher, kind: Kind, owner: UUID, secret: str, *, last: int
) -> datetime:
    """Keep a new secret, whose strength was judged before; forgive wrong tries. -> when it was set.

    last: it may be none of so many before, today's among them.
    Raises: UsedBefore, Unavailable.
    """
    async with book.database.read() as connection:
        rows = await queries.memorised_lately(connection, kind=kind, owner=owner, most=last)
    for row in rows:
        text = open_sealed(sealing_of(book), row["sealed"], _about(kind, owner)).decode()
        if await hasher.check(text, secret):
            raise UsedBefore
    sealed = seal(sealing_of(book), (await hasher.hash(secret)).encode(), _about(kind, owner))

    async def keep(turn: Turn) -> datetime:
        await queries.keep_memorised_before(turn.connection, id=new_id(), kind=kind, owner=owner)
        await queries.set_memorised(turn.connection, kind=kind, owner=owner, sealed=sealed, at=turn.at)
        await queries.forget_memorised_before(turn.connection, kind=kind, owner=owner, most=max(0, last - 1))
        await forgive(turn, kind, owner.bytes)
        await _tell(turn, "factor.changed", kind, owner)
        return turn.at

    return await book.write(keep)


async def judge(
    book: Book,
    hasher: Hasher,
    kind: Kind,
    rule: Rule,
    secret: str,
    look: Callable[[Any], Awaitable[Kept | None]],
    otherwise: bytes,
) -> tuple[Kept, datetime] | None:
    """Check a secret. -> what was kept, and when it was right; None when it is wrong or nobody's.

    look: finds whose it should be. otherwise: under what to count tries when it is nobody's. Nobody's
    secret takes the same steps, statements and time as a wrong one.
    Raises: TooManyTries, Unavailable.
    """

    async def count(turn: Turn) -> tuple[Kept | None, Tries | TooManyTries]:
        kept = await look(turn.connection)
        if kept is None:
            _open_nothing(book, hasher)
        return kept, await begin(turn, kind, kept.owner.bytes if kept else otherwise, rule)

    kept, tries = await book.write(count)
    if isinstance(tries, TooManyTries):
        raise tries
    right = await hasher.check(kept.encoded if kept else hasher.dummy, secret)
    if kept is None or not right:
        if tries.locked_until is not None:
            await book.write(lambda turn: _tell_locked(turn, kind, kept))
        return None
    return await _pass(book, hasher, kind, kept, secret)


async def _pass(
    book: Book, hasher: Hasher, kind: Kind, kept: Kept, secret: str
) -> tuple[Kept, datetime] | None:
    fresh = await hasher.hash(secret) if hasher.is_outdated(kept.encoded) else None

    async def settle(turn: Turn) -> tuple[Kept, datetime] | None:
        now = await find(turn.connection, book, kind, kept.owner)
        if now is None or now.set_at != kept.set_at:
            return None  # changed while this was being checked: the old one no longer opens anything
        if fresh is not None:
            sealed = seal(sealing_of(book), fresh.encode(), _about(kind, kept.owner))
            await queries.rehash_memorised(turn.connection, kind=kind, owner=kept.owner, sealed=sealed)
        await forgive(turn, kind, kept.owner.bytes)
        return kept, turn.at

    return await book.write(settle)


def _open_nothing(book: Book, hasher: Hasher) -> None:
    """What opening a real one takes: microseconds, but they add up over many tries."""
    keys, nobody = sealing_of(book), b"nobody"
    open_sealed(keys, seal(keys, hasher.dummy.encode(), nobody), nobody)


async def _tell_locked(turn: Turn, kind: Kind, kept: Kept | None) -> None:
    """Told only once the last try was wrong; of nobody there is nothing to tell."""
    if kept is not None:
        await _tell(turn, "factor.locked", kind, kept.owner)


def _about(kind: Kind, owner: UUID) -> bytes:
    return kind.encode() + owner.bytes


async def _tell(turn: Turn, type: str, kind: Kind, owner: UUID) -> None:
    outbox = Outbox()
    outbox.tell(type, owner, owner, {"factor": {"kind": kind, "customer": show("cus", owner)}})
    await outbox.write(turn)
