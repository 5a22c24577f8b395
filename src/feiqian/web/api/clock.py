"""The clock of a sandbox, moved forward by hand to see what time does."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, get, post
from litestar.params import JSONBody
from msgspec import Meta

from feiqian.kernel.book import Book, ClockNotSteerable
from feiqian.web.caller import book_of

# Far from where calendars end, so that nothing due later can fall off them.
LAST = datetime(2200, 1, 1, tzinfo=UTC)

_OPT: dict[str, Any] = {"scope": "clock:write", "operator": True}


class AdvanceIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far to move the clock, forward only."""

    seconds: Annotated[int, Meta(ge=1, le=366 * 86_400, examples=[86_400])]


class ClockView(msgspec.Struct, frozen=True):
    """A sandbox's clock. shift_seconds: how far it is ahead of the machine's."""

    object: Literal["clock"]
    now: datetime
    business_date: date
    shift_seconds: int


@get("/v1/clock", opt=_OPT | {"refuses": (ClockNotSteerable,)}, tags=["clock"])
async def get_clock(request: Request[Any, Any, Any]) -> ClockView:
    """See what time it is in a sandbox."""
    book = book_of(request)
    if book.kind != "sandbox":
        raise ClockNotSteerable
    return _show(book)


@post("/v1/clock/advance", opt=_OPT | {"refuses": (ClockNotSteerable,)}, tags=["clock"], status_code=200)
async def advance_clock(request: Request[Any, Any, Any], data: JSONBody[AdvanceIn]) -> ClockView:
    """Move a sandbox's clock forward. What falls due by that happens as it would in time."""
    book, by = book_of(request), timedelta(seconds=data.seconds)
    if book.kind == "sandbox" and book.clock.now() + by > LAST:
        raise ClockNotSteerable("seconds", latest=LAST.isoformat())
    await book.advance(by)
    return _show(book)


def _show(book: Book) -> ClockView:
    now = book.clock.now()
    return ClockView("clock", now, book.calendar.business_day(now), int(book.clock.shift.total_seconds()))


ROUTES = [get_clock, advance_clock]
