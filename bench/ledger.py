"""The ledger against what storage alone allows, against one that works row by row, and against itself."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import feiqian.kernel
import feiqian.ledger
from bench.harness import Lab, Lines, Measurement, Side, in_turns, ratio
from feiqian.kernel.book import Book
from feiqian.kernel.ids import new_id
from feiqian.ledger import Account, Result, Transfer, open_accounts, post, verify
from feiqian.ledger.chain import block_hash, sums
from feiqian.ledger.judge import Counters, Court, Facts
from feiqian.ledger.post import queries
from feiqian.ledger.transfer import PENDING, POST, Entry

FOLDERS = [
    (module.__name__.rpartition(".")[2], Path(str(module.__file__)).parent / "schema")
    for module in (feiqian.kernel, feiqian.ledger)
]
ACCOUNTS = 10_000  # every one bounded and funded
BATCH = 1_000
FUNDS = 10**10  # minor units; no benchmark ever runs out of them
HISTORY, HISTORY_QUICK = 5_000_000, 500_000


@dataclass
class Town:
    """A book with wallets full of money, and what people there ask of it."""

    book: Book
    wallets: list[int]
    shop: int
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    def payments(self, count: int = BATCH) -> list[Transfer]:
        """Between any two wallets."""
        chance, wallets = self.chance, self.wallets
        asked = []
        for _ in range(count):
            payer, payee = chance.sample(wallets, 2)
            asked.append(Transfer(new_id(), payer, payee, chance.randrange(1, 10_000), 4))
        return asked

    def purchases(self, count: int = BATCH) -> list[Transfer]:
        """From any wallet to the one shop."""
        chance = self.chance
        return [
            Transfer(new_id(), chance.choice(self.wallets), self.shop, chance.randrange(1, 10_000), 2)
            for _ in range(count)
        ]

    async def post(self, asked: Sequence[Transfer]) -> None:
        """All of them, or the benchmark is wrong."""
        results = await self.book.write(lambda turn: post(turn, asked))
        if set(results) != {Result.OK}:
            raise RuntimeError(f"refused: {set(results)}")


async def town(lab: Lab, name: str, size: int = 1) -> Town:
    """A fresh book, its wallets opened and funded."""
    book = await lab.book(name, FOLDERS, size)
    wallets = [Account(new_id(), "customer_wallet", "CNY", 2) for _ in range(ACCOUNTS)]
    rest = [Account(new_id(), "merchant_payable", "CNY", 2), Account(new_id(), "custody", "CNY", 2)]
    keys = list((await book.write(lambda turn: open_accounts(turn, wallets + rest))).values())
    *wallets_keys, shop, custody = sorted(keys)
    there = Town(book, wallets_keys, shop)
    await there.post([Transfer(new_id(), custody, key, FUNDS, 1) for key in wallets_keys])
    return there


@dataclass
class Prepared:
    """A batch judged and hashed beforehand: nothing is left to do but to write it."""

    entries: list[Entry]
    closing: dict[str, Any]


class Storage:
    """Writes the ledger's own rows, counters and blocks with no look-up, no turn and no judging.

    What it reaches is what tables, indexes and the commit allow, so it is what the ledger is held
    against. The rows come from the same judge, run in memory outside of the measured time.
    """

    def __init__(self, there: Town, facts: Facts, block: int, hash: bytes) -> None:
        self.town, self.facts, self.block, self.hash = there, facts, block, hash

    @classmethod
    async def over(cls, there: Town) -> Storage:
        """Start from the book as it stands."""
        async with there.book.database.read() as connection:
            head = await queries.head_now(connection)
            rows = await queries.all_accounts(connection)
        at = datetime.now(UTC)
        accounts = {
            row["key"]: Counters(**{name: row[name] for name in Counters.__struct_fields__}) for row in rows
        }
        facts = Facts(head["seq"], at, there.book.calendar.business_day(at), accounts)
        return cls(there, facts, head["block"], head["hash"])

    def prepare(self, asked: Sequence[Transfer]) -> Prepared:
        """Judge in memory and lay out every value to be written."""
        facts = self.facts
        facts.at = datetime.now(UTC)
        court = Court(facts)
        if set(court.hear(asked)) != {Result.OK}:
            raise RuntimeError("refused")
        entries = court.done.entries
        facts.known.clear()
        touched = sorted({e.debit_key for e in entries} | {e.credit_key for e in entries})
        accounts = [facts.accounts[key] for key in touched]
        previous, self.block = self.hash, self.block + 1
        self.hash = block_hash(previous, self.block, facts.booked_on, facts.at, entries)
        counters = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")
        closing = {name: [getattr(a, name) for a in accounts] for name in counters} | {
            "keys": touched,
            "number": self.block,
            "first_seq": entries[0].seq,
            "last_seq": entries[-1].seq,
            "booked_on": facts.booked_on,
            "booked_at": facts.at,
            "sums": sums(entries, {a.key: a.unit for a in accounts}),
            "previous": previous,
            "hash": self.hash,
        }
        return Prepared(entries, closing)

    async def write(self, batch: Prepared) -> None:
        """One transaction: rows by COPY, then counters, block and head in one statement."""

        async def work(connection: Any) -> None:
            await connection.copy_records_to_table("transfer", records=batch.entries, columns=Entry._fields)
            await queries.close_batch(connection, **batch.closing)

        await self.town.book.database.run(work)


def posting(lab: Lab, name: str, there: Town, batches: int, ask: Any = None) -> Side:
    """The ledger itself, batch after batch. ask: makes a batch; payments between all wallets unless told."""

    async def stretch(side: Side) -> None:
        asked = [(ask or there.payments)() for _ in range(batches)]
        async with lab.timed(side, batches * BATCH):
            for batch in asked:
                start = time.perf_counter()
                await there.post(batch)
                side.calls_ms.append((time.perf_counter() - start) * 1e3)

    return Side(name, stretch)


def storing(lab: Lab, name: str, storage: Storage, batches: int) -> Side:
    """The storage limit, batch after batch."""

    async def stretch(side: Side) -> None:
        ready = [storage.prepare(storage.town.payments()) for _ in range(batches)]
        async with lab.timed(side, batches * BATCH):
            for batch in ready:
                start = time.perf_counter()
                await storage.write(batch)
                side.calls_ms.append((time.perf_counter() - start) * 1e3)

    return Side(name, stretch)


def row_by_row(lab: Lab, name: str, there: Town, clients: int, each: int) -> Side:
    """A ledger as it is usually written: a transaction per transfer, both rows locked, checked, changed."""

    lock = """
        select key, unit, debits_bounded, credits_bounded, closed,
               debits_pending, debits_posted, credits_pending, credits_posted
          from account where key = any($1) order by key for update"""
    insert = f"""
        insert into transfer ({", ".join(Entry._fields)})
        values (nextval('row_by_row'), {", ".join(f"${n}" for n in range(1, 21))})"""
    debit = "update account set debits_posted = debits_posted + $2 where key = $1"
    credit = "update account set credits_posted = credits_posted + $2 where key = $1"

    async def one(asked: Transfer) -> None:
        at = datetime.now(UTC)
        async with there.book.database.transaction() as connection:
            rows = {row[0]: row for row in await connection.fetch(lock, [asked.debit, asked.credit])}
            payer, payee, amount = rows[asked.debit], rows[asked.credit], asked.amount
            if payer[1] != payee[1] or payer[4] or payee[4]:
                raise RuntimeError("refused")
            if payer[2] and payer[5] + payer[6] + amount > payer[8]:
                raise RuntimeError("refused")
            day = there.book.calendar.business_day(at)
            await connection.execute(
                insert, asked.id, asked.debit, asked.credit, amount, asked.code,
                0, None, 0, None, day, day, at,
                payer[5], payer[6] + amount, payer[7], payer[8],
                payee[5], payee[6], payee[7], payee[8] + amount,
            )  # fmt: skip
            await connection.execute(debit, asked.debit, amount)
            await connection.execute(credit, asked.credit, amount)

    async def client(side: Side, asked: list[Transfer]) -> None:
        for transfer in asked:
            start = time.perf_counter()
            await one(transfer)
            side.calls_ms.append((time.perf_counter() - start) * 1e3)

    async def stretch(side: Side) -> None:
        asked = [there.payments(each) for _ in range(clients)]
        async with lab.timed(side, clients * each):
            await asyncio.gather(*(client(side, some) for some in asked))

    return Side(name, stretch)


async def limit(lab: Lab) -> Lines:
    """Against storage alone."""
    ours, theirs = await town(lab, "ours"), await town(lab, "theirs")
    batches, rounds = (5, 6) if lab.quick else (10, 20)
    a = posting(lab, "post", ours, batches)
    b = storing(lab, "storage", await Storage.over(theirs), batches)
    await lab.settle()
    await in_turns(rounds, a, b)
    yield a.line(about=f"batches of {BATCH:,} over {ACCOUNTS:,} bounded accounts")
    yield b.line(about="same rows and counters, no look-up, no judging")
    yield ratio("post / storage", a, b, 0.6)


async def rows(lab: Lab) -> Lines:
    """Against a ledger that works row by row."""
    ours, theirs = await town(lab, "ours"), await town(lab, "theirs", 8)
    async with theirs.book.database.read() as connection:
        await connection.execute("create sequence row_by_row start 1000000 cache 100")
    a = posting(lab, "post", ours, 10)
    b = row_by_row(lab, "row by row", theirs, 8, 150)
    await lab.settle()
    await in_turns(4 if lab.quick else 12, a, b)
    yield b.line(about="8 clients, a transaction per transfer, no chain and no look-up of ids")
    yield ratio("post / row by row", a, b, 12)


async def hot(lab: Lab) -> Lines:
    """One account in every transfer."""
    even, busy = await town(lab, "even"), await town(lab, "busy")
    batches, rounds = (5, 6) if lab.quick else (10, 20)
    a = posting(lab, "hot", busy, batches, busy.purchases)
    b = posting(lab, "uniform", even, batches)
    await lab.settle()
    await in_turns(rounds, a, b)
    yield a.line(about="every transfer credits the same account")
    yield ratio("hot / uniform", a, b, 1.0)


async def history(lab: Lab) -> Lines:
    """With much already booked."""
    count = HISTORY_QUICK if lab.quick else HISTORY
    young, old = await town(lab, "young"), await town(lab, "old")
    storage = await Storage.over(old)
    start = time.perf_counter()
    for _ in range(count // 8_000):
        await storage.write(storage.prepare(old.payments(8_000)))
    loaded = time.perf_counter() - start
    a = posting(lab, f"post after {count:,}", old, 10)
    b = posting(lab, "post after none", young, 10)
    await lab.settle()
    # Every page's first change after a checkpoint is logged whole: let most of that be over, as it is
    # for all but the first seconds of a quarter of an hour.
    await in_turns(6 if lab.quick else 20, a, b, warm_up=5)
    yield a.line(about=f"loaded in {loaded:.0f} s")
    yield b.line()
    yield ratio(f"after {count:,} / after none", a, b, 0.8)


async def single(lab: Lab) -> Lines:
    """Batches of one, one after another."""
    there = await town(lab, "ours")

    async def stretch(side: Side) -> None:
        asked = there.payments(50 if lab.quick else 200)
        async with lab.timed(side, len(asked)):
            for transfer in asked:
                start = time.perf_counter()
                await there.post([transfer])
                side.calls_ms.append((time.perf_counter() - start) * 1e3)

    side = Side("single", stretch)
    await lab.settle()
    await in_turns(5, side)
    yield side.line(about="batches of one, one connection")


async def two_phase(lab: Lab) -> Lines:
    """Holds opened in one batch and posted in the next; then the proof over all of it."""
    there = await town(lab, "ours")
    batches = 5 if lab.quick else 10
    held: list[UUID] = []

    async def stretch(side: Side) -> None:
        pairs = []
        for _ in range(batches):
            holds = [
                Transfer(t.id, t.debit, t.credit, t.amount, t.code, PENDING, timeout=3600)
                for t in there.payments(BATCH // 2)
            ]
            posts = [Transfer(new_id(), amount=1, flags=POST, pending_id=id) for id in held]
            pairs.append(posts + holds)
            held[:] = [hold.id for hold in holds]
        async with lab.timed(side, batches * BATCH // 2):
            for pair in pairs:
                start = time.perf_counter()
                await there.post(pair)
                side.calls_ms.append((time.perf_counter() - start) * 1e3)

    side = Side("two-phase", stretch)
    await lab.settle()
    await in_turns(6 if lab.quick else 20, side)
    yield side.line("pairs/s", f"{BATCH // 2} holds opened and {BATCH // 2} posted a batch")

    async def prove(side: Side) -> None:
        async with there.book.database.read() as connection:
            entries = (await queries.head_now(connection))["seq"]
            async with connection.transaction(isolation="repeatable_read"), lab.timed(side, entries):
                start = time.perf_counter()
                proof = await verify(connection)
                side.calls_ms.append((time.perf_counter() - start) * 1e3)
        if not proof.ok:
            raise RuntimeError(f"the ledger does not hold: {proof.faults}")

    proving = Side("verify", prove)
    await in_turns(1, proving, warm_up=0)
    yield proving.line("entries/s", "chain, counters, sums and holds proved again")


MEASUREMENTS: dict[str, Measurement] = {
    "limit": limit,
    "rows": rows,
    "hot": hot,
    "history": history,
    "single": single,
    "two_phase": two_phase,
}
