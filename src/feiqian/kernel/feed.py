"""The feed: what has happened, read back in the order of commits."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from feiqian.kernel.queries import load

queries = load(Path(__file__).parent)

BEGINNING = UUID(int=0)
"""The cursor before the first event."""


class Event(msgspec.Struct, frozen=True):
    """A row of table event."""

    seq: int
    id: UUID
    type: str
    subject: UUID
    owner: UUID | None
    data: dict[str, Any]
    at: datetime


async def find_event(connection: Any, id: UUID) -> Event | None:
    """One event."""
    row = await queries.event(connection, id=id)
    return Event(*row) if row else None


async def page_of_events(
    connection: Any,
    limit: int,
    *,
    above: int = 0,
    below: int | None = None,
    oldest_first: bool = False,
    type: str | None = None,
    subject: UUID | None = None,
    owner: UUID | None = None,
) -> list[Event]:
    """Events between two sequence numbers, both left out; all that are given must fit.

    oldest_first: those just above `above` and in that order, otherwise the newest first.
    """
    read = queries.events_up if oldest_first else queries.events_down
    rows = await read(
        connection, above=above, below=below, type=type, subject=subject, owner=owner, most=limit
    )
    return [Event(*row) for row in rows]
