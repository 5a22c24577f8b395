"""Migrate: bring one book's schema up to this program, by numbered files that never change.

A module keeps `schema/0001-accounts.sql`, `schema/0002-...`; the files are plain SQL with
unqualified names. What was applied is recorded in the schema itself, with the file's digest.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import asyncpg

from feiqian.kernel.database import NO_CONNECTION, check_schema
from feiqian.kernel.errors import Broken, Unavailable

FILE = re.compile(r"\d{4}-[a-z0-9]+(-[a-z0-9]+)*\.sql\Z")


class MigrationChanged(Broken):
    """A migration that was applied to this database has been edited since. Restore it; add a new file."""

    code, zh = "migration_changed", "已执行的迁移文件被改动过，请还原该文件并新增迁移。"


class DatabaseNewer(Broken):
    """The database was migrated by a newer version of the program. Install that version or a later one."""

    code, zh = "database_newer", "数据库已由更新版本的程序迁移，请安装该版本或更新的版本。"


class MigrationFailed(Broken):
    """A migration cannot be applied. Mend the file and try again."""

    code, zh = "migration_failed", "迁移无法执行，请修正该文件后重试。"


@dataclass(frozen=True)
class Migration:
    """One file: its name as recorded, like `ledger/0001-accounts`, and its text."""

    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """The digest of the text, in hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


async def migrate(connection_or_dsn: Any, schema: str, folders: Sequence[tuple[str, Path]]) -> list[str]:
    """Apply what is missing, module by module in the order given, and return the names applied.

    folders: (module, folder of its files). Every file is one transaction; runners take turns. All
    checks come before the first change.
    Raises: MigrationChanged, DatabaseNewer; MigrationFailed, and then nothing of that file was kept;
    Unavailable when no server answers; ValueError for a bad schema or file name.
    """
    check_schema(schema)
    known = [migration for module, folder in folders for migration in read(module, folder)]
    if not isinstance(connection_or_dsn, str):
        return await _apply_missing(connection_or_dsn, schema, known)
    try:
        connection = await asyncpg.connect(connection_or_dsn, timeout=10)
    except NO_CONNECTION as error:
        raise Unavailable(reason="no database") from error
    try:
        return await _apply_missing(connection, schema, known)
    finally:
        await connection.close(timeout=5)


def read(module: str, folder: Path) -> list[Migration]:
    """The module's migrations in order. Raises: ValueError for a bad name or a number used twice."""
    paths = sorted(path for path in folder.iterdir() if path.suffix == ".sql")
    for path in paths:
        if not FILE.match(path.name):
            raise ValueError(f"not a migration's name, such as 0001-accounts.sql: {path.name}")
    for before, path in pairwise(paths):
        if before.name[:4] == path.name[:4]:
            raise ValueError(f"number used twice: {module}/{before.name}, {path.name}")
    return [Migration(f"{module}/{path.stem}", path.read_text("utf-8")) for path in paths]


async def _apply_missing(connection: Any, schema: str, known: list[Migration]) -> list[str]:
    async with connection.transaction():
        await _take_turn(connection, schema)
        await connection.execute(f'create schema if not exists "{schema}"')
        await connection.execute("""
            create table if not exists migration (
                name text primary key,
                sha256 text not null,
                applied_at timestamptz not null default now()
            )""")
        pending = missing(known, await _recorded(connection))
    applied = []
    for migration in pending:
        async with connection.transaction():
            await _take_turn(connection, schema)
            if migration not in missing(known, await _recorded(connection)):
                continue  # Another runner did it between our transactions.
            await _apply(connection, schema, migration)
            applied.append(migration.name)
    return applied


def missing(known: list[Migration], recorded: dict[str, str]) -> list[Migration]:
    """What this program knows and the database lacks. recorded: name to digest.

    Raises: DatabaseNewer, MigrationChanged.
    """
    for name in sorted(recorded.keys() - {migration.name for migration in known}):
        raise DatabaseNewer(migration=name)
    for migration in known:
        if recorded.get(migration.name, migration.sha256) != migration.sha256:
            raise MigrationChanged(migration=migration.name)
    return [migration for migration in known if migration.name not in recorded]


async def _take_turn(connection: Any, schema: str) -> None:
    """Wait for other runners on this schema and make it the one that names mean, until the commit."""
    await connection.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", f"migrate {schema}")
    await connection.execute(f'set local search_path to "{schema}"')


async def _recorded(connection: Any) -> dict[str, str]:
    return {
        row["name"]: row["sha256"] for row in await connection.fetch("select name, sha256 from migration")
    }


async def _apply(connection: Any, schema: str, migration: Migration) -> None:
    try:
        await connection.execute(migration.sql)
    except asyncpg.PostgresError as error:
        where: dict[str, Any] = {"line": line_of(migration.sql, error.position)} if error.position else {}
        raise MigrationFailed(migration=migration.name, reason=str(error), **where) from error
    # One that commits would break all or nothing (what it committed is there to stay); one that
    # moves the search path would put the record, and the next file, elsewhere.
    if not connection.is_in_transaction():
        raise MigrationFailed(migration=migration.name, reason="it must not end its transaction")
    if not await connection.fetchval("select current_schemas(false) = array[$1::name]", schema):
        raise MigrationFailed(migration=migration.name, reason="it must not move the search path")
    await connection.execute(
        "insert into migration (name, sha256) values ($1, $2)", migration.name, migration.sha256
    )


def line_of(sql: str, position: str) -> int:
    """The line, from 1, of the server's character position, also from 1."""
    return sql.count("\n", 0, int(position) - 1) + 1
