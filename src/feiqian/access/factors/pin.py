"""PIN: six digits that confirm a payment. Five wrong ones lock it, each time for longer.

It is never logged, and kept only as a sealed hash: six digits have few forms, so without the seal a
stolen table would give all PINs away, however slow the hash.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from feiqian.access.factors import weak
from feiqian.access.factors.hashing import Hasher
from feiqian.access.factors.memorised import Kept, find, judge, remember
from feiqian.access.factors.proof import Proof, WrongFactor
from feiqian.access.factors.tries import Rule
from feiqian.access.factors.weak import LENGTH_MAX, Known
from feiqian.kernel.book import Book

RULE = Rule(5, (timedelta(minutes=15), timedelta(hours=1), timedelta(hours=4), timedelta(hours=24)))
LAST = 3  # a new one differs from so many before


async def set_pin(book: Book, hasher: Hasher, party: UUID, pin: str, known: Known) -> None:
    """Set or change a party's PIN, once it has proved who it is by other means; wrong tries are forgiven.

    Raises: WeakPin, UsedBefore, Unavailable.
    """
    weak.check_pin(pin, known)
    await remember(book, hasher, "pin", party, pin, last=LAST)


async def check_pin(book: Book, hasher: Hasher, party: UUID, pin: str, about: bytes | None = None) -> Proof:
    """Check a party's PIN before the turn in which it pays. about: what it confirms, if anything.

    Raises: WrongFactor, also for a party without a PIN; TooManyTries; Unavailable.
    """

    async def look(connection: Any) -> Kept | None:
        return await find(connection, book, "pin", party)

    right = await judge(book, hasher, "pin", RULE, pin[: LENGTH_MAX + 1], look, party.bytes)
    if right is None:
        raise WrongFactor("pin")
    return Proof(party, "pin", right[1], about)
