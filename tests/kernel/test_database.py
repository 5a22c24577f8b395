"""The pool: one schema, JSON as values, and no more than a delay when its server restarts."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg
import pytest

from feiqian.kernel.cluster import free_port
from feiqian.kernel.database import Database
from feiqian.kernel.errors import NotFound, Unavailable
from feiqian.kernel.postgres import Postgres
from feiqian.kernel.queries import load

pytestmark = pytest.mark.anyio


@pytest.fixture
async def db(dsn: str, schema: str) -> AsyncIterator[Database]:
    database = Database(dsn, schema, 3, patience_seconds=2)
    await database.open()
    async with database.read() as connection:
        await connection.execute(f'create schema "{schema}"')
        await connection.execute("create table note (id int primary key, body jsonb)")
    yield database
    await database.close()


async def execute(sql: str, *values: Any) -> None:
    """The work of a run: partial(execute, sql, values) awaits a connection."""
    *arguments, connection = values
    await connection.execute(sql, *arguments)


def longer(items: list[int], length: int) -> bool:
    return len(items) > length


async def count(db: Database) -> int:
    async with db.read() as connection:
        return int(await connection.fetchval("select count(*) from note"))


async def refused_late(db: Database) -> None:
    async with db.transaction() as connection:
        await connection.execute("insert into note values (2)")
        raise NotFound


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = monotonic() + seconds
    while not condition():
        assert monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.02)


async def test_names_mean_the_schema(db: Database) -> None:
    async with db.read() as connection:
        assert await connection.fetchval("select current_schema()") == db.schema
        assert await connection.fetchval("show application_name") == "feiqian"


@pytest.mark.parametrize(
    "value", [None, True, 0, -1.5, "张三", [], {}, {"a": [1, {"b": None}], "金额": "12.30"}]
)
async def test_json_comes_back_as_it_went(db: Database, value: Any) -> None:
    async with db.read() as connection:
        assert await connection.fetchval("select $1::jsonb", {"x": value}) == {"x": value}


async def test_every_connection_reads_json_also_after_it_was_used(db: Database) -> None:
    async def read() -> Any:
        async with db.read() as connection:
            await connection.fetchval("select pg_sleep(0.02)")
            return await connection.fetchval("""select '{"a": [1]}'::jsonb""")

    assert await asyncio.gather(*(read() for _ in range(12))) == [{"a": [1]}] * 12


async def test_a_transaction_commits_or_leaves_nothing(db: Database) -> None:
    async with db.transaction() as connection:
        assert await connection.fetchval("show transaction_isolation") == "read committed"
        await connection.execute("insert into note values (1)")
    with pytest.raises(NotFound):
        await refused_late(db)
    assert await count(db) == 1


async def test_run_commits_and_answers(db: Database) -> None:
    async def work(connection: Any) -> str:
        await connection.execute("insert into note values (1, $1)", {"a": 1})
        return "done"

    assert await db.run(work) == "done"
    assert await count(db) == 1


async def test_run_does_not_repeat_what_is_wrong_in_itself(db: Database) -> None:
    tries = []

    async def refuse(connection: Any) -> None:
        tries.append(1)
        await connection.execute("insert into note values (1)")
        raise NotFound

    async def nonsense(connection: Any) -> None:
        tries.append(1)
        await connection.execute("nonsense")

    async def misuse(connection: Any) -> None:
        tries.append(1)
        await connection.fetch("select $1::int", "not a number")

    for work, error in (
        (refuse, NotFound),
        (nonsense, asyncpg.PostgresSyntaxError),
        (misuse, asyncpg.DataError),
    ):
        tries.clear()
        with pytest.raises(error):
            await db.run(work)
        assert len(tries) == 1
    assert await count(db) == 0


async def test_run_repeats_after_a_deadlock(db: Database) -> None:
    async with db.read() as connection:
        await connection.execute("insert into note values (1, '0'), (2, '0')")
    tries = []
    both = asyncio.Barrier(2)

    def bump(first: int, second: int) -> Callable[[Any], Any]:
        async def work(connection: Any) -> None:
            tries.append(first)
            await connection.execute("update note set body = to_jsonb(body::int + 1) where id = $1", first)
            if len(tries) <= 2:
                await both.wait()
            await connection.execute("update note set body = to_jsonb(body::int + 1) where id = $1", second)

        return work

    await asyncio.gather(db.run(bump(1, 2)), db.run(bump(2, 1)))
    assert len(tries) == 3
    async with db.read() as connection:
        rows = await connection.fetch("select body from note order by id")
        assert [row["body"] for row in rows] == [2, 2]


async def test_run_repeats_when_its_connection_is_ended(db: Database) -> None:
    tries = []

    async def work(connection: Any) -> int:
        tries.append(1)
        await connection.execute("insert into note values (1)")
        if len(tries) == 1:
            await connection.execute("select pg_terminate_backend(pg_backend_pid())")
        return len(tries)

    assert await db.run(work) == 2
    assert await count(db) == 1


async def test_run_repeats_when_the_connection_dies_between_statements(db: Database) -> None:
    tries = []

    async def work(connection: Any) -> int:
        tries.append(1)
        await connection.execute("insert into note values (1)")
        if len(tries) == 1:
            pid = connection.get_server_pid()
            async with db.read() as other:
                await other.execute("select pg_terminate_backend($1)", pid)
            await until(connection.is_closed)
        return len(tries)

    assert await db.run(work) == 2
    assert await count(db) == 1


async def test_run_repeats_when_a_table_changes_under_a_prepared_statement(db: Database, dsn: str) -> None:
    async def work(connection: Any) -> list[str]:
        return list((await connection.fetch("select * from note"))[0].keys())

    await db.run(lambda connection: connection.execute("insert into note values (1)"))
    assert await db.run(work) == ["id", "body"]
    other = await asyncpg.connect(dsn)
    await other.execute(f'alter table "{db.schema}".note add extra int')
    await other.close()
    assert await db.run(work) == ["id", "body", "extra"]


async def test_a_loss_outside_of_run_is_unavailable(db: Database) -> None:
    for lend in (db.read, db.transaction):
        with pytest.raises(Unavailable):
            async with lend() as connection:
                await connection.execute("select pg_terminate_backend(pg_backend_pid())")
    assert await count(db) == 0


async def test_waiting_for_a_connection_is_bounded(db: Database) -> None:
    async with db.read(), db.read(), db.read():
        began = monotonic()
        with pytest.raises(Unavailable):
            async with db.read():
                pass
        assert 1.5 < monotonic() - began < 4
        with pytest.raises(Unavailable):
            await db.run(lambda connection: connection.fetchval("select 1"))
    assert await count(db) == 0


async def test_waiting_for_a_lock_is_bounded(db: Database) -> None:
    """F6: a row that somebody else holds; nothing is kept, and the connection is as good as before."""
    async with db.transaction() as holder:
        await holder.execute("insert into note values (1)")
        began = monotonic()
        with pytest.raises(Unavailable):
            await db.run(partial(execute, "insert into note values (1)"))
        assert 1.5 < monotonic() - began < 4
    await db.run(partial(execute, "insert into note values (2)"))
    assert await count(db) == 2


async def test_a_transaction_that_stands_still_is_ended_and_done_again(dsn: str, schema: str) -> None:
    """F6: a process that was stopped must not hold locks; when it goes on, it starts anew."""
    db = Database(dsn, schema, 1, command_seconds_max=0.3)
    await db.open()
    sessions = []

    async def work(connection: Any) -> int:
        sessions.append(await connection.fetchval("select pg_backend_pid()"))
        if len(sessions) == 1:
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _: lost.set())
            await lost.wait()
        return int(await connection.fetchval("select 7"))

    assert await asyncio.wait_for(db.run(work), 10) == 7
    assert len(set(sessions)) == 2
    await db.close()


async def test_one_statement_is_bounded(dsn: str, schema: str) -> None:
    db = Database(dsn, schema, 1, command_seconds_max=0.3)
    await db.open()
    with pytest.raises(Unavailable):
        await db.run(lambda connection: connection.fetchval("select pg_sleep(20)"))
    assert await db.run(lambda connection: connection.fetchval("select 1")) == 1
    await db.close()


async def test_no_server_is_unavailable_and_a_closed_pool_too(schema: str) -> None:
    db = Database(f"postgresql://x:y@127.0.0.1:{free_port()}/x", schema, patience_seconds=0.5)
    with pytest.raises(Unavailable):
        await db.open()
    with pytest.raises(Unavailable):
        await db.run(lambda connection: connection.fetchval("select 1"))
    await db.close()
    with pytest.raises(Unavailable):
        await db.run(lambda connection: connection.fetchval("select 1"))


async def test_cancelling_gives_the_connection_back(db: Database) -> None:
    for _ in range(5):
        task = asyncio.create_task(db.run(lambda connection: connection.fetchval("select pg_sleep(30)")))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await count(db) == 0


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_restart_of_the_server_is_only_a_delay(cluster: Callable[..., Postgres], how: str) -> None:
    server = cluster()
    db = Database(await server.start(), "book", 4)
    await db.open()
    watching = asyncio.create_task(server.watch())
    await db.run(
        lambda connection: connection.execute("create schema book; create table paid (n int primary key)")
    )
    done: list[int] = []
    end = asyncio.Event()

    async def pay(start: int) -> None:
        for n in range(start, 1_000_000, 8):
            if end.is_set():
                return
            insert = "insert into paid values ($1) on conflict do nothing"
            await db.run(partial(execute, insert, n))
            done.append(n)
            await asyncio.sleep(0.002)

    payers = [asyncio.create_task(pay(start)) for start in range(8)]
    for _ in range(2):
        await asyncio.sleep(0.3)
        pid = int((server.data / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGKILL if how == "kill" else signal.SIGINT)
        before = len(done)
        await until(partial(longer, done, before + 100))
    end.set()
    await asyncio.gather(*payers)
    async with db.read() as connection:
        kept = {row["n"] for row in await connection.fetch("select n from paid")}
    assert kept == set(done), "every answered commit is there, and nothing else"
    await db.close()
    await server.stop()
    await watching


async def test_a_listener_hears_and_is_told_when_it_may_have_missed_something(db: Database) -> None:
    heard: list[str | None] = []
    channel = f"{db.schema}_limits"
    await db.listen(channel, heard.append)
    assert heard == [None]
    await db.run(lambda connection: connection.execute("select pg_notify($1, 'one')", channel))
    await until(lambda: heard == [None, "one"])
    await db.run(
        lambda connection: connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where query like $1", f"LISTEN%{channel}%"
        )
    )
    await until(lambda: heard == [None, "one", None, None])  # lost, and connected again
    await db.run(lambda connection: connection.execute("select pg_notify($1, 'two')", channel))
    await until(lambda: heard[-1] == "two")


async def test_a_listener_that_fails_goes_on_hearing(db: Database) -> None:
    heard: list[str | None] = []

    def stumble(payload: str | None) -> None:
        heard.append(payload)
        raise RuntimeError

    await db.listen(f"{db.schema}_x", stumble)
    for text in "ab":
        await db.run(partial(execute, "select pg_notify($1, $2)", f"{db.schema}_x", text))
    await until(lambda: heard == [None, "a", "b"])


async def test_named_statements(db: Database, tmp_path: Path) -> None:
    (tmp_path / "queries.sql").write_text(
        """
-- name: add_note!
-- one note; the order of the names is not that of the columns
insert into note (body, id) values (:body::jsonb, :id);

-- name: add_notes*!
insert into note (body, id) values (:body::jsonb, :id);

-- name: find_note^
select id, body from note where id = :id;

-- name: list_notes
select id from note where id >= :low and id < :high or id = :low order by id;

-- name: count_notes$
select count(*) from note;

-- name: drop_notes
delete from note where id = any(:ids::int[]) returning id;
"""
    )
    queries = load(tmp_path)
    assert load(tmp_path) is queries
    async with db.transaction() as connection:
        assert await queries.add_note(connection, id=1, body={"a": 1}) == "INSERT 0 1"
        await queries.add_notes(connection, [{"id": 2, "body": 2}, {"id": 3, "body": 3}])
        assert (await queries.find_note(connection, id=1))["body"] == {"a": 1}
        assert await queries.find_note(connection, id=9) is None
        assert [row["id"] for row in await queries.list_notes(connection, high=3, low=1)] == [1, 2]
        assert await queries.count_notes(connection) == 3
        assert sorted(row["id"] for row in await queries.drop_notes(connection, ids=[1, 3])) == [1, 3]
        with pytest.raises(KeyError):
            await queries.find_note(connection)
