"""Book: one institution's set of tables, its clock and its calendar; and the turn to write in it.

One writer at a time: whoever changes money in a book first takes its turn, a row lock held until the
commit. Inside a turn every read is final, so limits cannot be passed jointly, ids cannot be used
twice and no two writers can wait for each other. Throughput comes from batches: one turn carries
hundreds of payments (docs/decisions/0002-one-writer-per-book.md).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar
from uuid import UUID

import msgspec

from feiqian.kernel.audit import SYSTEM, Actor, Note, append
from feiqian.kernel.clock import Calendar, Clock
from feiqian.kernel.database import Database
from feiqian.kernel.errors import Refused
from feiqian.kernel.secret import SealingKeys
from feiqian.kernel.settings import Code as CodeSettings

SCHEMA = Path(__file__).parent / "schema"

T = TypeVar("T")


class ClockNotSteerable(Refused):
    """Only a sandbox book has a clock that can be moved, and only forward."""

    code, status, zh = "clock_not_steerable", 422, "只有沙盒账簿的时钟可以拨动，而且只能向前。"


@dataclass(frozen=True)
class Turn:
    """The right to write in a book until the transaction ends. at: the book's moment, for all it writes.

    actors: who acts on which object, where one turn carries out what several asked; all else is the
    book's actor's doing. notes: what the audit log will say of this turn, written at its end.
    """

    book: Book
    connection: Any
    at: datetime
    actors: dict[UUID, Actor] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    def note(
        self,
        verb: str,
        *objects: str,
        of: UUID | None = None,
        before: Any = None,
        after: Any = None,
        once: UUID | None = None,
    ) -> None:
        """Tell the audit log of a change of rights or money settings; it is committed with the change.

        verb: past and dotted. objects: public ids, the one changed first. of: its own id, by which the
        actor is found. before, after: the settings as they were and are, never a name or a secret.
        once: for an act that may be carried out twice: notes of one such id are one entry.
        """
        actor = self.actors.get(of, self.book.actor) if of is not None else self.book.actor
        facts = {name: value for name, value in (("before", before), ("after", after)) if value is not None}
        note = Note(actor, verb, objects, self.at, facts=facts)
        self.notes.append(note if once is None else msgspec.structs.replace(note, id=once))

    @property
    def local_day(self) -> date:
        """The wall calendar's day, by which limits count."""
        return self.book.calendar.local_day(self.at)

    @property
    def business_day(self) -> date:
        """The day to book on."""
        return self.book.calendar.business_day(self.at)


@dataclass
class Book:
    """kind: live or sandbox. Each book's tables are a schema of their own.

    sealing: keys that seal secrets at rest. codes: how this house's codes look. actor: in whose hands it
    is, for the audit log.
    """

    name: str
    kind: Literal["live", "sandbox"]
    database: Database
    clock: Clock = field(default_factory=Clock)
    calendar: Calendar = field(default_factory=Calendar)
    sealing: SealingKeys | None = None
    codes: CodeSettings = field(default_factory=CodeSettings)
    actor: Actor = SYSTEM

    def by(self, actor: Actor) -> Book:
        """The same book in somebody's hands: what is written through it is their doing."""
        return replace(self, actor=actor)

    async def turn(self, connection: Any) -> Turn:
        """Wait for the turn inside an open transaction; take it first, before reading anything."""
        self.clock.shift = await connection.fetchval("select clock_shift from book_turn for update")
        return Turn(self, connection, self.clock.now())

    async def write(self, work: Callable[[Turn], Awaitable[T]]) -> T:
        """Run work in one turn and one transaction.

        Runs work again when the database was lost on the way, also when the commit's answer was:
        work must recognise what it has already done, as everything with an id or a subject does.
        """

        async def take_turn(connection: Any) -> T:
            turn = await self.turn(connection)
            done = await work(turn)
            if turn.notes:
                await append(connection, turn.notes, is_act=True)
            return done

        return await self.database.run(take_turn)

    async def advance(self, by: timedelta) -> datetime:
        """Move a sandbox's clock forward and return its new moment.

        Raises: ClockNotSteerable for a live book or a step back.
        """
        if self.kind != "sandbox" or by < timedelta(0):
            raise ClockNotSteerable("by")

        target: timedelta | None = None

        async def move(turn: Turn) -> timedelta:
            nonlocal target
            before = self.clock.shift
            if target is None:
                target = before + by
            if before < target:  # run again after a lost answer, it is there already
                await turn.connection.execute("update book_turn set clock_shift = $1", target)
                shifts = [{"shift_seconds": int(shift.total_seconds())} for shift in (before, target)]
                turn.note("clock.advanced", before=shifts[0], after=shifts[1])
            return max(before, target)

        self.clock.shift = await self.write(move)
        return self.clock.now()
