"""The registry: which books this database holds, in a schema of its own beside theirs."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import time
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

import msgspec

from feiqian.kernel.book import Book
from feiqian.kernel.clock import Calendar, Clock
from feiqian.kernel.database import Database
from feiqian.kernel.errors import NotFound, Refused
from feiqian.kernel.migrate import migrate
from feiqian.kernel.secret import SealingKeys
from feiqian.kernel.settings import Code as CodeSettings

SCHEMA = "feiqian"
FOLDERS = (("registry", Path(__file__).parent / "registry_schema"),)

Kind = Literal["live", "sandbox"]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")


class BookExists(Refused):
    """There is a book of this name already. Choose another name."""

    code, status, zh = "book_exists", 409, "同名账簿已存在，请换一个名称。"


class BadBookName(Refused):
    """A book's name is a lower-case letter and up to 39 more letters, digits or underscores."""

    code, status, zh = (
        "bad_book_name",
        422,
        "账簿名须以小写字母开头，由小写字母、数字和下划线组成，不超过40个字符。",
    )


class UnknownZone(Refused):
    """There is no such time zone. Use a name like Asia/Shanghai."""

    code, status, zh = "unknown_zone", 422, "没有这个时区，请使用如 Asia/Shanghai 的名称。"


class BookRecord(msgspec.Struct, frozen=True):
    """A row of the registry. cut_off: local time at which the business day turns."""

    name: str
    kind: Kind
    schema: str
    zone: str
    cut_off: time


class Registry:
    """The books in one database, by its address."""

    def __init__(
        self,
        dsn: str,
        schemas: Sequence[tuple[str, Path]],
        on_drop: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        """schemas: the modules' tables that every book has.

        on_drop: removes what a book's schema has beside it, where this role cannot.
        """
        self._dsn = dsn
        self._on_drop = on_drop
        self._schemas = schemas

    async def prepare(self) -> list[str]:
        """Bring the registry itself up to date, and no book. -> names of migrations applied."""
        return await migrate(self._dsn, SCHEMA, FOLDERS)

    async def migrate(self) -> dict[str, list[str]]:
        """Bring the registry and every book up to date. -> names of migrations applied, by schema."""
        done = {SCHEMA: await self.prepare()}
        for record in await self.books():
            done[record.schema] = await migrate(self._dsn, record.schema, self._schemas)
        return done

    async def books(self) -> list[BookRecord]:
        """All books, by name."""
        async with self._reach() as database, database.read() as connection:
            rows = await connection.fetch("select name, kind, schema, zone, cut_off from book order by name")
        return [BookRecord(*row) for row in rows]

    async def book(self, name: str) -> BookRecord:
        """One book's record. Raises: NotFound."""
        for record in await self.books():
            if record.name == name:
                return record
        raise NotFound("book")

    async def create(
        self, name: str, kind: Kind, zone: str = "Asia/Shanghai", cut_off: time = time(0)
    ) -> BookRecord:
        """A new, empty book. Raises: BookExists, BadBookName, UnknownZone."""
        if not _NAME.match(name):
            raise BadBookName("name")
        if zone not in available_timezones():
            raise UnknownZone("zone")
        record = BookRecord(name, kind, f"book_{name}", zone, cut_off)
        async with self._reach() as database, database.transaction() as connection:
            added = await connection.fetchval(
                "insert into book (name, kind, schema, zone, cut_off) values ($1, $2, $3, $4, $5)"
                " on conflict do nothing returning name",
                *msgspec.structs.astuple(record),
            )
        if added is None:
            raise BookExists("name")
        await migrate(self._dsn, record.schema, self._schemas)
        return record

    async def drop(self, name: str) -> None:
        """Remove a sandbox book and all in it. Raises: NotFound, also for a live book: those stay."""
        async with self._reach() as database, database.transaction() as connection:
            schema = await connection.fetchval(
                "delete from book where name = $1 and kind = 'sandbox' returning schema", name
            )
            if schema is None:
                raise NotFound("name")
            if self._on_drop is not None:
                await self._on_drop(schema)
            await connection.execute(f'drop schema if exists "{schema}" cascade')

    async def open(
        self,
        record: BookRecord,
        pool_size: int = 10,
        *,
        sealing: SealingKeys | None = None,
        codes: CodeSettings | None = None,
        patience_seconds: float = 10.0,
    ) -> Book:
        """A book ready for use; close its database when done."""
        database = Database(self._dsn, record.schema, pool_size, patience_seconds=patience_seconds)
        await database.open()
        calendar = Calendar(ZoneInfo(record.zone), record.cut_off)
        book = Book(record.name, record.kind, database, Clock(), calendar, sealing, codes or CodeSettings())
        async with database.read() as connection:
            book.clock.shift = await connection.fetchval("select clock_shift from book_turn")
        return book

    def _reach(self) -> _Opened:
        return _Opened(Database(self._dsn, SCHEMA, 1))


class _Opened:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def __aenter__(self) -> Database:
        await self._database.open()
        return self._database

    async def __aexit__(self, *failure: object) -> None:
        await self._database.close()
