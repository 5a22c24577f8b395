"""The recorder: writes what happens outside of any turn, many notes in one short transaction.

It takes the log's own lock and never the book's turn, so that payments do not wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from feiqian.kernel.audit.entry import Note
from feiqian.kernel.audit.write import append
from feiqian.kernel.batcher import Batcher
from feiqian.kernel.errors import Unavailable
from feiqian.kernel.logs import logger

if TYPE_CHECKING:
    from feiqian.kernel.book import Book

log = logger("audit")

PAUSE_SECONDS = 0.5  # how long a late note waits for others; with the writing it stays below a second
WAITING_MAX = 10_000


class Recorder:
    """Notes of one book and process. `now` returns when they are on disk; `soon` returns at once."""

    def __init__(self, book: Book, waiting_most: int = WAITING_MAX) -> None:
        """waiting_most: late notes held at most; one that finds no room is refused."""
        self._book = book
        self._waiting_most = waiting_most
        self._late: dict[Any, tuple[Note, int]] = {}
        self._flusher: asyncio.Task[None] | None = None
        patience = book.database.patience_seconds
        self._batcher: Batcher[Note, None] = Batcher("audit", self._write, waiting_seconds_max=patience)

    async def now(self, note: Note) -> None:
        """Write it; return when it is durable. Raises: Unavailable."""
        await self._batcher.ask(note)

    def soon(self, note: Note) -> None:
        """Write it within a second. The same by the same from the same place in that time is one entry,
        which says how many times.

        Raises: Unavailable when there is no room: then refuse what would go unrecorded.
        """
        actor = note.actor
        facts = tuple(sorted((key, str(fact)) for key, fact in note.facts.items()))
        same = (actor.name, actor.principal, actor.peer, note.verb, note.objects, note.result, facts)
        kept, times = self._late.get(same, (note, 0))
        if times == 0 and len(self._late) >= self._waiting_most:
            raise Unavailable(reason="audit log is behind")
        self._late[same] = (kept, times + 1)
        if self._flusher is None:
            self._flusher = asyncio.get_running_loop().create_task(self._flush_late())

    async def drained(self) -> None:
        """Write what waits, as at shutdown; what cannot be written is told to the technical log."""
        if self._flusher is not None:
            self._flusher.cancel()
            await asyncio.gather(self._flusher, return_exceptions=True)
        while self._late:
            if not await self._flush():
                log.error("audit_notes_lost", count=len(self._late))
                break
        await self._batcher.drained()

    async def _flush_late(self) -> None:
        try:
            while self._late:
                await asyncio.sleep(PAUSE_SECONDS)
                await self._flush()
        finally:
            self._flusher = None

    async def _flush(self) -> bool:
        """Write all that waits now. -> whether it could be written; what could not waits on."""
        taken = dict(self._late)
        notes = [_counted(note, times) for note, times in taken.values()]
        done = await asyncio.shield(asyncio.gather(*map(self.now, notes), return_exceptions=True))
        for (same, (_, times)), failure in zip(taken.items(), done, strict=True):
            # One that breaks the writing is told and given up: it must not stay before all others.
            if not isinstance(failure, Unavailable):
                self._forget(same, times)
            if failure is not None:
                log.error("audit_not_written", why=type(failure).__name__)
        return not any(isinstance(failure, Unavailable) for failure in done)

    def _forget(self, same: Any, times: int) -> None:
        """Those written; what came meanwhile stays, as a note of its own."""
        note, counted = self._late.pop(same)
        if counted > times:
            again = Note(note.actor, note.verb, note.objects, note.at, note.result, note.facts)
            self._late[same] = (again, counted - times)

    async def _write(self, notes: Sequence[Note]) -> Sequence[None]:
        await self._book.database.run(lambda connection: append(connection, notes, is_act=False))
        return [None] * len(notes)


def _counted(note: Note, times: int) -> Note:
    return note if times == 1 else msgspec.structs.replace(note, facts={**note.facts, "times": times})
