"""A book with nothing but the kernel's and the ledger's tables, and a clock turned by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import feiqian.kernel
import feiqian.ledger
from feiqian.kernel.book import Book
from feiqian.kernel.clock import HandClock
from feiqian.kernel.database import Database
from feiqian.kernel.ids import new_id
from feiqian.kernel.migrate import migrate
from feiqian.ledger import Account, Balance, Proof, Result, Transfer, balances, open_accounts, post, verify
from feiqian.ledger.transfer import Entry

FOLDERS = [
    (m.__name__.split(".")[-1], Path(str(m.__file__)).parent / "schema")
    for m in (feiqian.kernel, feiqian.ledger)
]
TABLES = ("transfer", "block", "hold", "refused_transfer", "account")


class Bench:
    """The book under test, and short words for what tests do with it."""

    def __init__(self, database: Database, owner: Any) -> None:
        self.database = database
        self.owner = owner  # a connection of a superuser, to go behind the book's back
        self.clock = HandClock()
        self.book = Book("bench", "sandbox", database, self.clock)

    async def open(self, *accounts: tuple[str, str, int]) -> list[int]:
        """Open accounts given as kind, unit and scale. -> their keys"""
        asked = [Account(id=new_id(), kind=kind, unit=unit, scale=scale) for kind, unit, scale in accounts]
        keys = await self.book.write(lambda turn: open_accounts(turn, asked))
        return [keys[account.id] for account in asked]

    async def post(self, *transfers: Transfer) -> list[Result]:
        return await self.book.write(lambda turn: post(turn, transfers))

    async def one(self, debit: int = 0, credit: int = 0, amount: int = 0, **more: Any) -> Result:
        """Post one transfer with a new id and code 4 unless told otherwise."""
        more = {"id": new_id(), "code": 0 if more.get("pending_id") else 4, **more}
        return (await self.post(Transfer(debit=debit, credit=credit, amount=amount, **more)))[0]

    async def balance(self, key: int) -> Balance:
        async with self.database.read() as connection:
            return (await balances(connection, [key], self.clock.now()))[key]

    async def entries(self) -> list[Entry]:
        rows = await self.owner.fetch(f"select {', '.join(Entry._fields)} from transfer order by seq")
        return [Entry(*row) for row in rows]

    async def verify(self) -> Proof:
        async with self.database.read() as connection, connection.transaction(isolation="repeatable_read"):
            return await verify(connection)

    async def behind_the_back(self, *statements: str) -> None:
        """What only a superuser can do: change rows with all triggers off, in one transaction."""
        async with self.owner.transaction():
            await self.owner.execute("set local session_replication_role = replica")
            for statement in statements:
                await self.owner.execute(statement)

    async def empty(self) -> None:
        """Back to the state after the migration."""
        await self.behind_the_back(
            *(f"delete from {table}" for table in TABLES),
            "alter table account alter key restart",
            "update ledger_head set seq = 0, block = 0, hash = decode(repeat('00', 32), 'hex'),"
            " booked_at = 'epoch'",
        )
        self.clock.at = HandClock().at

    def later(self, **by: float) -> None:
        self.clock.at += timedelta(**by)


@pytest.fixture
async def bench(dsn: str, admin_dsn: str, schema: str) -> AsyncIterator[Bench]:
    """An empty book."""
    await migrate(dsn, schema, FOLDERS)
    database = Database(dsn, schema, 16)
    await database.open()
    owner = await asyncpg.connect(admin_dsn, server_settings={"search_path": schema})
    yield Bench(database, owner)
    await owner.close()
    await database.close()


def passed(results: Sequence[Result]) -> int:
    """How many were booked."""
    return sum(result is Result.OK for result in results)
