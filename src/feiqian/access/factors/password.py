"""Password: set, check, and log in with a telephone number without telling whether it is known.

Ten wrong ones lock it for thirty minutes, counted across sessions, also for numbers that nobody has.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec

from feiqian.access.factors import weak
from feiqian.access.factors.hashing import Hasher
from feiqian.access.factors.memorised import Kept, find, judge, opened, remember
from feiqian.access.factors.proof import Proof, queries
from feiqian.access.factors.tries import Rule
from feiqian.access.factors.weak import LENGTH_MAX, Known
from feiqian.kernel.book import Book
from feiqian.kernel.errors import Refused
from feiqian.parties.party import e164

Whose = Literal["customer", "staff"]

RULE = Rule(10, (timedelta(minutes=30),))
LAST = 5  # a new one differs from so many before


class Policy(NamedTuple):
    """What is asked of a password. advised_after: when to remind of changing it."""

    length_min: int
    advised_after: timedelta


POLICIES: dict[Whose, Policy] = {
    "customer": Policy(6, timedelta(days=365)),
    "staff": Policy(12, timedelta(days=90)),  # Source: PCI DSS 4.0.1, 8.3.6 and 8.3.9
}


class WrongLogin(Refused):
    """Telephone number and password do not fit together. Check both and try again."""

    code, status, zh = "wrong_login", 401, "手机号与密码不匹配，请核对后重试。"


class LoggedIn(msgspec.Struct, frozen=True):
    """A password that was right. change_advised: it is old; remind, and let in."""

    proof: Proof
    change_advised: bool


async def set_password(
    book: Book, hasher: Hasher, owner: UUID, password: str, known: Known, whose: Whose = "customer"
) -> None:
    """Set or change a password, for an owner who has proved to be it; wrong tries are forgiven.

    Raises: WeakPassword, UsedBefore, Unavailable.
    """
    weak.check_password(password, known, POLICIES[whose].length_min)
    await remember(book, hasher, "password", owner, password, last=LAST)


async def check_password(
    book: Book, hasher: Hasher, owner: UUID, password: str, whose: Whose = "customer"
) -> LoggedIn:
    """Check the password of an owner who is known already, such as before it is changed.

    Raises: WrongLogin, TooManyTries, Unavailable.
    """

    async def look(connection: Any) -> Kept | None:
        return await find(connection, book, "password", owner)

    return await _check(book, hasher, password, look, owner.bytes, whose)


async def log_in(book: Book, hasher: Hasher, phone: str, password: str) -> LoggedIn:
    """Check a customer's password. phone: as people write it.

    Raises: BadPhone; WrongLogin and TooManyTries, in the same way and after the same time for a number
    that nobody has; Unavailable.
    """
    number = e164(phone)

    async def look(connection: Any) -> Kept | None:
        row = await queries.password_by_phone(connection, phone=number)
        return opened(book, "password", row["owner"], row["sealed"], row["set_at"]) if row else None

    return await _check(book, hasher, password, look, hashlib.sha256(number.encode()).digest(), "customer")


async def _check(
    book: Book, hasher: Hasher, password: str, look: Any, otherwise: bytes, whose: Whose
) -> LoggedIn:
    # A longer one than can be set is wrong; cut, it costs no more than the longest.
    right = await judge(book, hasher, "password", RULE, password[: LENGTH_MAX + 1], look, otherwise)
    if right is None:
        raise WrongLogin
    kept, at = right
    return LoggedIn(Proof(kept.owner, "password", at), at - kept.set_at >= POLICIES[whose].advised_after)
