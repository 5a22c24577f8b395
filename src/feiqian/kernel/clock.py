"""Clock: the moment, the local day and the business day, each apart from the others.

A rule never reads a clock; it is handed a moment. A book has one clock: live books the machine's,
sandbox books one that can be moved forward by hand and never back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Calendar:
    """Where a book lives: its time zone and the local time at which its business day turns."""

    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Shanghai"))
    cut_off: time = time(0)

    def local_day(self, at: datetime) -> date:
        """The calendar day people see on the wall; day and year limits turn with it."""
        return at.astimezone(self.zone).date()

    def business_day(self, at: datetime) -> date:
        """The day a movement is booked on: the local day, shifted by the cut-off.

        A cut-off of 23:00 puts what happens from 23:00 on into the next day's books.
        """
        local = at.astimezone(self.zone)
        if self.cut_off != time(0) and local.time() >= self.cut_off:
            return local.date() + timedelta(days=1)
        return local.date()


@dataclass
class Clock:
    """The machine's clock plus a shift, which only sandbox books ever change."""

    shift: timedelta = timedelta(0)

    def now(self) -> datetime:
        """This moment in UTC, with its zone."""
        return datetime.now(UTC) + self.shift


@dataclass
class HandClock(Clock):
    """A clock that stands still until a test turns it."""

    at: datetime = datetime(2026, 11, 2, 0, 0, tzinfo=UTC)

    def now(self) -> datetime:
        """The moment it was turned to, plus the shift."""
        return self.at + self.shift
