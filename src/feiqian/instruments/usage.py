"""Usage: what owners have spent, read and written by the holder of the turn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from uuid import UUID

from feiqian.instruments.limits import Usage
from feiqian.kernel.book import Turn
from feiqian.kernel.queries import Writing, load

queries = load(Path(__file__).parent)


class Counting:
    """The usage counters of some owners during one turn; nothing is stored but by its `writings`."""

    def __init__(self, known: dict[tuple[UUID, str, str], Usage], day: date) -> None:
        self._known = known
        self._day = day
        self._changed: dict[tuple[UUID, str, str], Usage] = {}

    def of(self, owner: UUID, scope: str, currency: str) -> Usage:
        """The counters as of today."""
        key = (owner, scope, currency)
        usage = self._known.get(key)
        if usage is None:
            usage = self._known[key] = Usage(owner, scope, currency, self._day)
        usage.turn_to(self._day)
        return usage

    def add(self, owner: UUID, scopes: Iterable[str], currency: str, amount: int) -> None:
        """Count one payment in each scope."""
        for scope in scopes:
            usage = self._changed[owner, scope, currency] = self.of(owner, scope, currency)
            usage.add(amount)

    def take_back(
        self,
        owner: UUID,
        scopes: Iterable[str],
        currency: str,
        amount: int,
        counted_on: date,
        *,
        whole: bool,
    ) -> None:
        """Forget in each scope what was held and never moved."""
        for scope in scopes:
            usage = self._changed[owner, scope, currency] = self.of(owner, scope, currency)
            usage.take_back(amount, counted_on, whole=whole)

    def writings(self) -> Iterator[Writing]:
        """What stores the counters that changed."""
        rows = list(self._changed.values())
        if rows:
            yield (
                queries.write_usage,
                {
                    "owners": [u.owner for u in rows],
                    "scopes": [u.scope for u in rows],
                    "currencies": [u.currency for u in rows],
                    "days": [u.day for u in rows],
                    "day_amounts": [u.day_amount for u in rows],
                    "day_counts": [u.day_count for u in rows],
                    "year_amounts": [u.year_amount for u in rows],
                    "year_counts": [u.year_count for u in rows],
                    "life_amounts": [u.life_amount for u in rows],
                    "life_counts": [u.life_count for u in rows],
                },
            )


async def open_counting(turn: Turn, owners: Iterable[UUID]) -> Counting:
    """Read the counters of these owners."""
    rows = await queries.usage_of(turn.connection, owners=list(set(owners)))
    known = {(row[0], row[1], row[2]): Usage(*row) for row in rows}
    return Counting(known, turn.local_day)
