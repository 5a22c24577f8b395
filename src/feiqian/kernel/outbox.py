"""The outbox: events and jobs, collected while deciding and stored with the money they belong to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from feiqian.kernel.book import Turn
from feiqian.kernel.ids import new_id
from feiqian.kernel.queries import Writing, load, together

queries = load(Path(__file__).parent)

_JSON = msgspec.json.Encoder()


class Outbox:
    """What a turn has to tell (events, in order) and to do later (jobs)."""

    def __init__(self) -> None:
        self._events: list[tuple[UUID, str, UUID, UUID | None, str]] = []
        self._jobs: list[tuple[str, datetime, UUID | None, str]] = []

    def tell(self, type: str, subject: UUID, owner: UUID | None, data: Any) -> None:
        """An event: something that has happened, in the past tense. owner: whose event it is."""
        self._events.append((new_id(), type, subject, owner, _JSON.encode(data).decode()))

    def do(self, kind: str, due_at: datetime, subject: UUID | None = None, payload: Any = None) -> None:
        """A job: something to do once due. kind: a name bound in wiring.py."""
        self._jobs.append((kind, due_at, subject, _JSON.encode(payload or {}).decode()))

    async def write(self, turn: Turn) -> None:
        """Store all in the turn's transaction."""
        await together(turn.connection, *self.writings(turn))

    def writings(self, turn: Turn) -> Iterator[Writing]:
        """What stores all, for those who store more at once."""
        if self._events:
            ids, types, subjects, owners, data = zip(*self._events, strict=True)
            yield (
                queries.add_events,
                {
                    "ids": ids,
                    "types": types,
                    "subjects": subjects,
                    "owners": owners,
                    "data": data,
                    "at": turn.at,
                },
            )
        if self._jobs:
            kinds, due, subjects, payloads = zip(*self._jobs, strict=True)
            yield (
                queries.add_jobs,
                {"kinds": kinds, "subjects": subjects, "payloads": payloads, "due_at": due},
            )
