"""Migrations: applied once and in order, refused when the past was changed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from feiqian.kernel.migrate import DatabaseNewer, MigrationChanged, MigrationFailed, line_of, migrate, read

pytestmark = pytest.mark.anyio


@pytest.fixture
def module(tmp_path: Path) -> Path:
    write(tmp_path, "0001-accounts.sql", "create table account (id int primary key);")
    write(
        tmp_path,
        "0002-names.sql",
        "alter table account add name text;\ninsert into account values (1, '张三');",
    )
    return tmp_path


def write(folder: Path, name: str, sql: str) -> None:
    (folder / name).write_text(sql, "utf-8")


async def tables(dsn: str, schema: str) -> set[str]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("select tablename from pg_tables where schemaname = $1", schema)
        return {row["tablename"] for row in rows}
    finally:
        await connection.close()


async def test_files_are_applied_once_and_in_order(dsn: str, schema: str, module: Path) -> None:
    assert await migrate(dsn, schema, [("ledger", module)]) == ["ledger/0001-accounts", "ledger/0002-names"]
    assert await migrate(dsn, schema, [("ledger", module)]) == []
    write(module, "0003-more.sql", "create table more ();")
    assert await migrate(dsn, schema, [("ledger", module)]) == ["ledger/0003-more"]
    assert await tables(dsn, schema) == {"account", "more", "migration"}


async def test_a_connection_serves_as_well_and_keeps_its_search_path(
    dsn: str, schema: str, module: Path
) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        before = await connection.fetchval("show search_path")
        assert len(await migrate(connection, schema, [("ledger", module)])) == 2
        assert await connection.fetchval("show search_path") == before
        assert await connection.fetchval(f"select name from {schema}.account") == "张三"
    finally:
        await connection.close()


async def test_books_do_not_see_each_other(dsn: str, schema: str, module: Path) -> None:
    other = f"{schema[:40]}_b"
    try:
        for book in (schema, other):
            assert len(await migrate(dsn, book, [("ledger", module)])) == 2
        assert await tables(dsn, other) == await tables(dsn, schema) == {"account", "migration"}
    finally:
        connection = await asyncpg.connect(dsn)
        await connection.execute(f"drop schema if exists {other} cascade")
        await connection.close()


async def test_modules_go_in_the_order_given(dsn: str, schema: str, module: Path, tmp_path: Path) -> None:
    above = tmp_path / "above"
    above.mkdir()
    write(above, "0001-orders.sql", "create table orders (account int references account);")
    applied = await migrate(dsn, schema, [("ledger", module), ("payments", above)])
    assert applied == ["ledger/0001-accounts", "ledger/0002-names", "payments/0001-orders"]


async def test_runners_take_turns(dsn: str, schema: str, module: Path) -> None:
    done = await asyncio.gather(*(migrate(dsn, schema, [("ledger", module)]) for _ in range(5)))
    assert sorted(name for names in done for name in names) == ["ledger/0001-accounts", "ledger/0002-names"]


async def test_a_changed_file_is_refused_before_anything_happens(dsn: str, schema: str, module: Path) -> None:
    await migrate(dsn, schema, [("ledger", module)])
    write(module, "0001-accounts.sql", "create table account (id bigint primary key);")
    write(module, "0003-more.sql", "create table more ();")
    with pytest.raises(MigrationChanged) as caught:
        await migrate(dsn, schema, [("ledger", module)])
    assert caught.value.facts == {"migration": "ledger/0001-accounts"}
    assert "more" not in await tables(dsn, schema)


async def test_a_database_newer_than_the_program_is_refused(dsn: str, schema: str, module: Path) -> None:
    await migrate(dsn, schema, [("ledger", module)])
    (module / "0002-names.sql").unlink()
    with pytest.raises(DatabaseNewer) as caught:
        await migrate(dsn, schema, [("ledger", module)])
    assert caught.value.facts == {"migration": "ledger/0002-names"}


async def test_a_bad_file_is_named_and_leaves_nothing(dsn: str, schema: str, module: Path) -> None:
    write(module, "0003-bad.sql", "create table half ();\n\nselect nonsense;")
    with pytest.raises(MigrationFailed) as caught:
        await migrate(dsn, schema, [("ledger", module)])
    assert caught.value.facts["migration"] == "ledger/0003-bad"
    assert caught.value.facts["line"] == 3
    assert "nonsense" in caught.value.facts["reason"]
    assert await tables(dsn, schema) == {"account", "migration"}
    write(module, "0003-bad.sql", "create table half ();")
    assert await migrate(dsn, schema, [("ledger", module)]) == ["ledger/0003-bad"]


@pytest.mark.parametrize("sql", ["set local search_path to public;", "set search_path to pg_catalog;"])
async def test_a_file_that_moves_the_search_path_is_refused(
    dsn: str, schema: str, module: Path, sql: str
) -> None:
    write(module, "0003-bad.sql", f"create table half (); {sql}")
    with pytest.raises(MigrationFailed):
        await migrate(dsn, schema, [("ledger", module)])
    assert await tables(dsn, schema) == {"account", "migration"}


async def test_a_file_that_commits_by_itself_is_refused(dsn: str, schema: str, module: Path) -> None:
    write(module, "0003-bad.sql", "create table half (); commit;")
    with pytest.raises(MigrationFailed) as caught:
        await migrate(dsn, schema, [("ledger", module)])
    assert caught.value.facts["migration"] == "ledger/0003-bad"


@pytest.mark.parametrize("name", ["1-a.sql", "0001_a.sql", "0001-A.sql", "0001-.sql", "accounts.sql"])
def test_bad_names_are_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, "")
    with pytest.raises(ValueError, match="not a migration's name"):
        read("ledger", tmp_path)


def test_a_number_is_used_once(module: Path) -> None:
    write(module, "0002-other.sql", "")
    with pytest.raises(ValueError, match="number used twice"):
        read("ledger", module)


@pytest.mark.parametrize(
    "schema", ["", "A", "1a", "a-b", 'a"b', "pg_x", "information_schema", "a" * 64, "a\n"]
)
async def test_bad_schema_names_are_refused(module: Path, schema: str) -> None:
    with pytest.raises(ValueError, match="not a schema name"):
        await migrate("postgresql://nowhere.invalid/", schema, [("ledger", module)])


@pytest.mark.parametrize(("position", "line"), [("1", 1), ("3", 1), ("4", 2), ("5", 3)])
def test_lines_are_counted_from_one(position: str, line: int) -> None:
    assert line_of("ab\n\nc", position) == line
