"""Jobs: what must happen after a commit, done in batches by whoever drains first.

A job is done in a turn of its book: its work and its removal from the table commit together. A job
that fails is tried again with growing pauses, then set aside as a dead letter, and blocks nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from feiqian.kernel import metrics
from feiqian.kernel.book import Book, Turn
from feiqian.kernel.errors import Unavailable
from feiqian.kernel.logs import logger
from feiqian.kernel.queries import load
from feiqian.ledger import SWEEP, is_any_overdue, sweep

queries = load(Path(__file__).parent / "kernel")
log = logger("jobs")

BATCH = 200
HOUR = timedelta(hours=1)
PAUSES = tuple(timedelta(seconds=s) for s in (5, 30, 300, 1_800, 7_200, 21_600))
"""How long to wait after each failure; after the last the job is given up."""


class Job(msgspec.Struct, frozen=True):
    """A row of table job."""

    id: int
    kind: str
    subject: UUID | None
    payload: dict[str, Any]
    attempts: int


Work = Callable[[Turn, Sequence[Job]], Awaitable[Any]]
"""Does all jobs of one kind in a turn. It may be called again for what is done already."""


async def drain(book: Book, work: Mapping[str, Work]) -> int:
    """Do one batch of what is due by the book's clock. -> how many were due."""
    at = book.clock.now()
    async with book.database.read() as connection:
        due = [Job(*row) for row in await queries.due_jobs(connection, at=at, most=BATCH)]
    by_kind: dict[str, list[Job]] = {}
    for job in due:
        by_kind.setdefault(job.kind, []).append(job)
    for kind, jobs in by_kind.items():
        metrics.jobs_due(kind, len(jobs))
        await _do(book, work, kind, jobs)
    return len(due)


async def _do(book: Book, work: Mapping[str, Work], kind: str, jobs: Sequence[Job]) -> None:
    """Do jobs of one kind together; when that fails, one by one, so that a bad one stands alone."""

    async def together(turn: Turn) -> None:
        # Claimed again inside the turn: another process may have done some meanwhile.
        rows = await queries.claim_jobs(turn.connection, ids=[job.id for job in jobs], at=turn.at)
        mine = [Job(*row) for row in rows]
        if mine:
            await work[kind](turn, mine)
            await queries.finish_jobs(turn.connection, ids=[job.id for job in mine])

    try:
        await book.write(together)
        metrics.job_done(kind, len(jobs))
    except Unavailable:
        raise
    except Exception as error:
        if len(jobs) > 1:
            for job in jobs:
                await _do(book, work, kind, [job])
            return
        log.exception("job_failed", kind=kind, job=jobs[0].id)
        metrics.job_failed(kind)
        text = f"{type(error).__name__}: {error}"[:500]
        await book.write(lambda turn: _put_off(turn, jobs[0], text))


async def _put_off(turn: Turn, job: Job, text: str) -> None:
    noted = {"id": job.id, "attempts": job.attempts + 1, "error": text}
    if job.attempts < len(PAUSES):
        await queries.put_off_job(turn.connection, due_at=turn.at + PAUSES[job.attempts], **noted)
    else:
        await queries.give_up_job(turn.connection, at=turn.at, **noted)


async def _expire(book: Book) -> None:
    at = book.clock.now()
    async with book.database.read() as connection:
        if not await is_any_overdue(connection, at):
            return
    while await book.write(sweep) >= SWEEP:
        continue


async def run(
    books: Sequence[Book],
    work: Mapping[str, Work],
    tidy: Callable[[Turn], Awaitable[None]],
    poll_seconds: float = 1.0,
) -> None:
    """Drain all books and expire overdue holds, for ever; a database that is away is waited for.

    tidy: what deletes what time has made useless, once an hour and book.
    """
    tidied: dict[str, datetime] = {}
    while True:
        busy = 0
        for book in books:
            try:
                busy += await drain(book, work)
                await _expire(book)
                if book.clock.now() - tidied.get(book.name, datetime.min.replace(tzinfo=UTC)) >= HOUR:
                    tidied[book.name] = book.clock.now()
                    await book.write(tidy)
            except Unavailable:
                log.warning("jobs_wait_for_database", book=book.name)
            except Exception:
                log.exception("jobs_failed", book=book.name)
        if busy < BATCH:
            await asyncio.sleep(poll_seconds)
