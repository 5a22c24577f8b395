"""A whole book: every module's tables, a clock turned by hand, and short words to look into it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, Literal, TypeVar
from uuid import UUID

import pytest

from feiqian.instruments.wallet import HOUSE, open_wallets
from feiqian.kernel.book import Book, Turn
from feiqian.kernel.clock import HandClock
from feiqian.kernel.database import Database
from feiqian.kernel.ids import new_id
from feiqian.kernel.migrate import migrate
from feiqian.ledger import Result, Transfer, post
from feiqian.wiring import SCHEMAS

T = TypeVar("T")


class Town:
    """One book, its dsn, and what tests do with it."""

    def __init__(self, dsn: str, database: Database, kind: Literal["live", "sandbox"] = "sandbox") -> None:
        self.dsn = dsn
        self.clock = HandClock()
        self.book = Book("town", kind, database, self.clock)

    async def write(self, work: Callable[..., Awaitable[T]], *values: Any, **named: Any) -> T:
        """`await town.write(register, people)` is `register(turn, people)` in a turn of its own."""
        return await self.book.write(lambda turn: work(turn, *values, **named))

    async def read(self, work: Callable[..., Awaitable[T]], *values: Any, **named: Any) -> T:
        """`await town.read(party, id)` is `party(connection, id)`."""
        async with self.book.database.read() as connection:
            return await work(connection, *values, **named)

    async def sql(self, statement: str, *values: Any) -> list[Any]:
        """Rows of a statement, past all rules, also past the one that changes are audited."""
        async with self.book.database.read() as connection:
            if statement.lower().startswith(("select", "with", "explain")):
                return list(await connection.fetch(statement, *values))
            async with connection.transaction():
                await connection.execute("update audit_head set act = pg_current_xact_id()")
                return list(await connection.fetch(statement, *values))

    async def events(self, subject: UUID | None = None) -> list[str]:
        """Types of what was told, in order."""
        rows = await self.sql(
            "select type from event where $1::uuid in (null, subject) order by seq", subject
        )
        if subject is None:
            rows = await self.sql("select type from event order by seq")
        return [row["type"] for row in rows]

    async def fund(self, wallet: UUID, amount: int, code: str = "CNY") -> None:
        """Put money into a wallet; a negative amount takes it out again."""

        async def deposit(turn: Turn) -> list[Result]:
            custody = (await open_wallets(turn, [(HOUSE, "custody", code)]))[0]
            rows = await turn.connection.fetch("select id, account_key from wallet")
            keys = {row["id"]: row["account_key"] for row in rows}
            debit, credit = keys[custody], keys[wallet]
            if amount < 0:
                debit, credit = credit, debit
            return await post(turn, [Transfer(new_id(), debit, credit, abs(amount), code=1)])

        assert await self.book.write(deposit) == [Result.OK]

    def later(self, **by: float) -> None:
        """Turn the clock on."""
        self.clock.at += timedelta(**by)


@pytest.fixture
async def town(dsn: str, schema: str) -> AsyncIterator[Town]:
    """An empty sandbox book."""
    await migrate(dsn, schema, SCHEMAS)
    database = Database(dsn, schema, 5)
    await database.open()
    yield Town(dsn, database)
    await database.close()
