"""Tries: counted before they are judged, for all sessions together; too many lock for a while.

Whoever begins a hundred tries at once has a hundred counted before the first is judged, so the limit
holds whatever happens in parallel. A right one forgives. A try that a crash cut short stays counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from feiqian.access.factors.proof import Factor, queries
from feiqian.kernel.book import Turn
from feiqian.kernel.errors import Refused

FORGOTTEN_AFTER = timedelta(days=30)


class TooManyTries(Refused):
    """Too many wrong tries. Wait until the moment named, then try again."""

    code, status, zh = "too_many_tries", 429, "错误次数过多，请在所示时间之后再试。"


class Rule(NamedTuple):
    """How many wrong tries lock, and for how long: the first time, the second; the last holds on."""

    wrong_max: int
    pauses: Sequence[timedelta]


class Tries(NamedTuple):
    """How one factor of one owner stands."""

    wrong: int
    locks: int
    locked_until: datetime | None


NONE = Tries(0, 0, None)


def count(before: Tries, rule: Rule, at: datetime) -> Tries:
    """The tries after one more, which may be judged. Raises: TooManyTries while it is locked."""
    wrong, locks, until = before
    if until is not None:
        if at < until:
            raise TooManyTries(until=until.isoformat())
        wrong = 0
    if wrong + 1 < rule.wrong_max:
        return Tries(wrong + 1, locks, None)
    # The last one is judged too, and forgives if it is right; until then nobody else begins.
    return Tries(wrong + 1, locks + 1, at + rule.pauses[min(locks, len(rule.pauses) - 1)])


async def begin(turn: Turn, factor: Factor, subject: bytes, rule: Rule) -> Tries | TooManyTries:
    """Count a try. -> how it stands then, or the refusal; nothing may be judged after a refusal."""
    row = await queries.tries(turn.connection, factor=factor, subject=subject)
    try:
        after = count(Tries(*row) if row else NONE, rule, turn.at)
    except TooManyTries as refusal:
        return refusal
    await queries.set_tries(turn.connection, factor=factor, subject=subject, at=turn.at, **after._asdict())
    return after


async def forgive(turn: Turn, factor: Factor, subject: bytes) -> None:
    """Forget the wrong tries: a right one was made."""
    await queries.forgive_tries(turn.connection, factor=factor, subject=subject)


async def forget_old_tries(turn: Turn) -> None:
    """Delete counts that nobody has added to for thirty days, such as those of made-up telephone numbers."""
    await queries.forget_old_tries(turn.connection, before=turn.at - FORGOTTEN_AFTER)
