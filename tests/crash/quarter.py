"""The quarter: a book with a few people, their phones, a tea house and keys; made before any server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import asyncpg

from feiqian.access import SCOPES, create
from feiqian.instruments.device import IssuedDevice, NewDevice
from feiqian.instruments.device import register as register_devices
from feiqian.instruments.wallet import HOUSE, open_wallets
from feiqian.kernel.book import Book
from feiqian.kernel.errors import Refused
from feiqian.kernel.ids import show
from feiqian.kernel.money import Money
from feiqian.kernel.registry import Registry
from feiqian.kernel.secret import load_keys
from feiqian.merchants import NewMerchant, NewStore
from feiqian.merchants import register as register_merchants
from feiqian.merchants.stores import add_stores
from feiqian.parties import NewParty
from feiqian.parties import register as register_parties
from feiqian.pricing import Terms
from feiqian.scenes.deposit import Deposit, deposit
from feiqian.scenes.shop import payment_code
from feiqian.wiring import SCHEMAS
from tests.crash.service import Service, until

RATE_BPS = 60
OPENING = 10_000_000  # fen in everybody's wallet but the last one's


@dataclass
class Phone:
    """Makes payment codes, ten in a step at most; none is made twice."""

    issued: IssuedDevice
    wallet: str
    made: set[tuple[int, int]] = field(default_factory=set)

    def code(self, at: datetime | None = None) -> str | None:
        """A code that was never shown. at: now, unless the book's clock was moved."""
        at = at or datetime.now(UTC)
        step = payment_code.step_of(at)
        for counter in range(10):
            if (step, counter) not in self.made:
                self.made.add((step, counter))
                return payment_code.make(self.issued.secret, self.issued.device.alias, at, counter)
        return None


@dataclass
class Quarter:
    """Who and what there is, by the ids that the API shows. The last wallet is empty at first."""

    service: Service
    schema: str
    secret: str
    other_secret: str
    store: str
    shop: str
    fees: str
    custody: str
    wallets: list[str]
    numbers: list[str]
    phones: list[Phone]

    def opening(self, wallet: str) -> int:
        """What was in a wallet before the first request, in fen."""
        if wallet == self.custody:
            return OPENING * (len(self.wallets) - 1)
        return OPENING if wallet in self.wallets[:-1] else 0

    async def rows(self, statement: str, *values: Any) -> list[Any]:
        """Rows of a statement in the book's schema, as the superuser."""
        return await self.service.sql(statement, *values, schema=self.schema)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Any]:
        """Hold the book's turn from outside. -> a connection, which stays open behind the block"""
        connection = await asyncpg.connect(
            self.service.postgres.admin_dsn, server_settings={"search_path": self.schema}
        )
        async with connection.transaction():
            await connection.execute("select from book_turn for update")
            yield connection


async def waiting_for_turn(quarter: Quarter, least: int = 1) -> None:
    """Return when so many sessions of the server wait for a lock."""

    async def some_wait() -> bool:
        rows = await quarter.rows("select count(*) from pg_stat_activity where wait_event_type = 'Lock'")
        return bool(rows[0][0] >= least)

    await until(some_wait)


async def settle(service: Service, kind: Literal["live", "sandbox"] = "live", people: int = 8) -> Quarter:
    """Make database, book, keys and the quarter, and leave the database running."""
    dsn = await service.postgres.start()
    registry = Registry(dsn, SCHEMAS)
    await registry.migrate()
    record = await registry.create("town", kind)
    keys = load_keys(service.folder)
    book = await registry.open(record, 2, sealing=keys)
    try:
        return await _settle(service, book, record.schema, people)
    finally:
        await book.database.close()


async def _settle(service: Service, book: Book, schema: str, people: int) -> Quarter:
    async def write(verb: Any, *values: Any) -> Any:
        return await book.write(lambda turn: verb(turn, *values))

    numbers = [f"+86138001380{n:02d}" for n in range(people)]
    parties = sound(
        await write(
            register_parties,
            [NewParty("person", f"P{n}", number, account_class=3) for n, number in enumerate(numbers)],
        )
    )
    wallets = await write(open_wallets, [(party.id, "customer_wallet", "CNY") for party in parties])
    (merchant,) = sound(
        await write(
            register_merchants, [NewMerchant("Tea House", "5812", "Xi'an", terms=Terms(rate_bps=RATE_BPS))]
        )
    )
    (store,) = sound(await write(add_stores, [NewStore(merchant.id, "茶馆")]))
    shop, fees, custody = await write(
        open_wallets,
        [
            (merchant.id, "merchant_payable", "CNY"),
            (HOUSE, "fee_income", "CNY"),
            (HOUSE, "custody", "CNY"),
        ],
    )
    rich = list(zip(parties, wallets, strict=True))[:-1]
    devices = sound(
        await write(
            register_devices, [NewDevice(p.id, w, "a") for p, w in rich for _ in range(2)], book.sealing
        )
    )
    sound(await write(deposit, [Deposit(w, Money(OPENING, "CNY"), f"opening {w.hex}") for _, w in rich]))
    secret, other_secret = [(await write(create, name, tuple(SCOPES)))[1] for name in ("till", "another")]
    return Quarter(
        service,
        schema,
        secret,
        other_secret,
        store=show("sto", store.id),
        shop=show("wal", shop),
        fees=show("wal", fees),
        custody=show("wal", custody),
        wallets=[show("wal", wallet) for wallet in wallets],
        numbers=numbers,
        phones=[Phone(each, show("wal", each.device.wallet)) for each in devices],
    )


def sound(answers: Sequence[Any]) -> Any:
    """The same answers, none of them a refusal."""
    assert not any(isinstance(each, Refused) for each in answers), answers
    return answers
