"""Jobs: what is due is done once, whoever drains and whoever dies, and a bad one stands alone."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from feiqian import jobs
from feiqian.kernel.book import Book, Turn
from feiqian.kernel.ids import new_id
from feiqian.kernel.outbox import Outbox
from feiqian.wiring import WORK
from tests.crash.service import until
from tests.street import Street

pytestmark = pytest.mark.anyio


async def put(street: Street, kind: str, count: int, **hours: float) -> None:
    """Jobs of one kind, due now or later, numbered in their payload."""

    async def add(turn: Turn) -> None:
        outbox = Outbox()
        for n in range(count):
            outbox.do(kind, turn.at + timedelta(**hours), new_id(), {"n": n})
        await outbox.write(turn)

    await street.town.write(add)


async def test_holds_lapse_when_their_time_is_up(street: Street) -> None:
    """The timers of holds fire by the book's clock, all together, and ring in vain for what is over."""
    kept = await street.hold(1_000, hours=1)
    taken = await street.hold(500, hours=1, lapse="capture")
    over = await street.hold(300, hours=1)
    await street.cancel(over)
    later = await street.hold(200, hours=2)
    street.town.later(minutes=59)
    assert await jobs.drain(street.town.book, WORK) == 0
    assert await street.balance("alice") == (1_000_000, 1_700)
    street.town.later(minutes=1)
    assert await jobs.drain(street.town.book, WORK) == 3
    assert await street.balance("alice") == (999_500, 200)
    rows = await street.town.sql("select id, state from payment")
    states = {row["id"]: row["state"] for row in rows}
    assert [states[p.id] for p in (kept, taken, over, later)] == [
        *("voided", "captured", "voided", "authorised")
    ]
    assert await jobs.drain(street.town.book, WORK) == 0
    assert await street.town.sql("select from job where due_at <= $1", street.town.clock.now()) == []


async def test_a_poison_job_is_put_off_and_set_aside(street: Street) -> None:
    """R9: its neighbours are done at once; it is tried with growing pauses, then kept as a dead letter."""
    done: list[int] = []

    async def work(turn: Turn, due: Sequence[jobs.Job]) -> None:
        for job in due:
            if job.payload["n"] == 3:
                raise ValueError("poison")
        done.extend(job.payload["n"] for job in due)

    await put(street, "test.work", 6)
    book, works = street.town.book, {**WORK, "test.work": work}
    hold = await street.hold(700, hours=1)
    assert await jobs.drain(book, works) == 6
    assert sorted(done) == [0, 1, 2, 4, 5]
    for attempt, pause in enumerate(jobs.PAUSES, 1):
        (job,) = await street.town.sql("select attempts, due_at, error from job where kind = 'test.work'")
        assert (job["attempts"], job["due_at"]) == (attempt, street.town.clock.now() + pause)
        assert job["error"] == "ValueError: poison"
        assert await jobs.drain(book, works) == 0
        street.town.clock.at += pause
        await jobs.drain(book, works)
    (job,) = await street.town.sql("select attempts, failed_at from job where kind = 'test.work'")
    assert (job["attempts"], job["failed_at"]) == (len(jobs.PAUSES) + 1, street.town.clock.now())
    street.town.later(days=30)
    assert await jobs.drain(book, works) == 0
    assert sorted(done) == [0, 1, 2, 4, 5]
    assert (await street.town.sql("select state from payment where id = $1", hold.id))[0][0] == "voided"


async def test_a_job_of_an_unknown_kind_blocks_nobody(street: Street) -> None:
    """R9: as after a way back to an older version of the program."""
    await put(street, "test.of_tomorrow", 1)
    await street.hold(700, hours=1)
    street.town.later(hours=1)
    assert await jobs.drain(street.town.book, WORK) == 2
    assert (await street.balance("alice"))[1] == 0
    (job,) = await street.town.sql("select attempts, error from job")
    assert (job["attempts"], job["error"]) == (1, "KeyError: 'test.of_tomorrow'")


async def test_many_who_drain_do_each_job_once(street: Street) -> None:
    """Eight at once over a hundred jobs, one of them poison: each done once, its failure counted once."""
    done: list[int] = []

    async def work(turn: Turn, due: Sequence[jobs.Job]) -> None:
        await turn.connection.fetchval("select 1")
        if any(job.payload["n"] == 50 for job in due):
            raise ValueError("poison")
        done.extend(job.payload["n"] for job in due)

    await put(street, "test.work", 100)
    book = street.town.book
    books = [Book(book.name, book.kind, book.database, book.clock) for _ in range(8)]
    await asyncio.gather(*(jobs.drain(each, {"test.work": work}) for each in books))
    assert sorted(done) == [n for n in range(100) if n != 50]
    (job,) = await street.town.sql("select attempts from job where kind = 'test.work'")
    assert job["attempts"] == 1


DRAIN_AND_HANG = """
import asyncio, sys
from datetime import datetime
from feiqian import jobs
from feiqian.kernel.book import Book
from feiqian.kernel.clock import HandClock
from feiqian.kernel.database import Database
from feiqian.wiring import WORK

async def lapse(turn, due):
    await WORK["payments.lapse"](turn, due)
    print("done and not committed", flush=True)
    await asyncio.Event().wait()

async def main(dsn, schema, at):
    database = Database(dsn, schema, 2)
    await database.open()
    book = Book("town", "sandbox", database, HandClock(at=datetime.fromisoformat(at)))
    await jobs.drain(book, {"payments.lapse": lapse})

asyncio.run(main(*sys.argv[1:]))
"""


async def test_who_dies_over_a_job_leaves_it_to_the_next(street: Street) -> None:
    """R9, F1: SIGKILL when the work is done and not yet committed; the next one does it, once in effect."""
    payment = await street.hold(1_000, hours=1)
    street.town.later(hours=2)
    book = street.town.book
    arguments = [street.town.dsn, book.database.schema, street.town.clock.now().isoformat()]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", DRAIN_AND_HANG, *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"done and not committed\n"
    finally:
        process.kill()
        await process.communicate()

    async def done() -> Any:
        return await jobs.drain(book, WORK) == 0

    assert await street.town.sql("select from job where kind = 'payments.lapse'") != []
    await until(done)
    rows = await street.town.sql("select step from payment_step where payment = $1 order by n", payment.id)
    assert [row["step"] for row in rows] == ["authorised", "lapsed"]
    assert await street.balance("alice") == (1_000_000, 0)
    assert (await street.town.events(payment.id)).count("payment.lapsed") == 1
