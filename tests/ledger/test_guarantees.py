"""What must always hold, on a real database: parallel spending, crossing payments, ended holds, tampering."""

from __future__ import annotations

import asyncio
from random import Random
from time import monotonic
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from feiqian.kernel.ids import new_id
from feiqian.kernel.migrate import migrate
from feiqian.ledger import Result, Transfer, balances, journal
from feiqian.ledger.post import SWEEP, sweep
from feiqian.ledger.transfer import AMOUNT_MAX, EXPIRED, LINKED, PENDING, POST, VOID
from tests.ledger.conftest import FOLDERS, Bench, passed

pytestmark = pytest.mark.anyio

CNY = ("CNY", 2)


async def wallets(bench: Bench, number: int, filled: int) -> list[int]:
    """Custody first, then wallets with so much in each."""
    keys = await bench.open(("custody", *CNY), *[("customer_wallet", *CNY)] * number)
    custody, *people = keys
    if filled:
        deposits = [Transfer(id=new_id(), debit=custody, credit=one, amount=filled, code=1) for one in people]
        assert passed(await bench.post(*deposits)) == number
    return keys


async def released_together(works: list[Any]) -> list[Any]:
    """Run all at once, started at one barrier."""
    barrier = asyncio.Barrier(len(works))

    async def one(work: Any) -> Any:
        await barrier.wait()
        return await work()

    return await asyncio.gather(*(one(work) for work in works))


# Parallel clients


async def test_parallel_spends_succeed_as_often_as_the_balance_covers(bench: Bench) -> None:
    """C8, I3: a balance of 100, 64 clients of 3 spends each, rounds with plain and with held spends."""
    for amount, covered, flags in ((1, 100, 0), (7, 14, 0), (100, 1, 0), (3, 33, PENDING), (101, 0, 0)):
        custody, alice, shop = await wallets(bench, 2, 0)
        assert await bench.one(custody, alice, 100) is Result.OK

        async def client(
            alice: int = alice, shop: int = shop, amount: int = amount, flags: int = flags
        ) -> int:
            return passed([await bench.one(alice, shop, amount, flags=flags) for _ in range(3)])

        assert sum(await released_together([client] * 64)) == covered
        after = await bench.balance(alice)
        assert after.available == 100 - covered * amount
        assert after.held == (covered * amount if flags else 0)
    assert (await bench.verify()).ok


async def test_a_mixed_storm_of_holds_and_spends_never_passes_the_limit(bench: Bench) -> None:
    """C8, C11, I2, I3: 16 clients hold, post, void and spend from one wallet; the end adds up."""
    _, alice, shop = await wallets(bench, 2, 500)

    async def client(seed: int) -> int:
        random, moved = Random(seed), 0
        for _ in range(8):
            amount = random.randrange(1, 40)
            if random.randrange(2):
                moved += amount * ((await bench.one(alice, shop, amount)) is Result.OK)
                continue
            hold = new_id()
            if await bench.one(alice, shop, amount, id=hold, flags=PENDING) is Result.OK:
                part = random.randrange(amount + 1)
                flags = POST if part else VOID
                assert await bench.one(amount=part, flags=flags, pending_id=hold) is Result.OK
                moved += part
        return moved

    moved = sum(await released_together([lambda seed=seed: client(seed) for seed in range(16)]))
    assert (await bench.balance(alice)).available == 500 - moved
    assert (await bench.balance(shop)).posted == 500 + moved
    assert (await bench.balance(alice)).held == 0
    proof = await bench.verify()
    assert proof.ok, proof.faults


async def test_every_read_of_the_bank_sums_to_the_total(bench: Bench) -> None:
    """C9, I1, I3: 8 accounts, 16 clients for two seconds, readers in between; none negative."""
    _, *people = await wallets(bench, 8, 100)
    end = monotonic() + 2
    reads = 0

    async def client(seed: int) -> int:
        random, done = Random(seed), 0
        while monotonic() < end:
            batch = []
            for _ in range(random.randrange(1, 5)):
                debit, credit = random.sample(people, 2)
                flags = LINKED if random.randrange(3) == 0 else 0
                amount = random.randrange(1, 60)
                batch.append(
                    Transfer(id=new_id(), debit=debit, credit=credit, amount=amount, code=4, flags=flags)
                )
            done += passed(await bench.post(*batch))
        return done

    async def reader() -> int:
        nonlocal reads
        while monotonic() < end:
            async with bench.database.read() as connection:
                found = await balances(connection, people, bench.clock.now())
            assert sum(balance.posted for balance in found.values()) == 800
            assert min(balance.available for balance in found.values()) >= 0
            reads += 1
        return 0

    done = await asyncio.gather(*(client(seed) for seed in range(16)), *(reader() for _ in range(3)))
    assert sum(done) > 10  # however busy the machine
    assert reads > 50
    proof = await bench.verify()
    assert proof.ok, proof.faults
    assert proof.entries == sum(done) + 8


async def test_crossing_transfers_never_wait_for_each_other(bench: Bench) -> None:
    """C10: 32 clients, half from A to B and half back, singly and as chains; every one is booked in time."""
    _, a, b = await wallets(bench, 2, 10_000)

    async def client(number: int) -> float:
        debit, credit = (a, b) if number % 2 else (b, a)
        slowest = 0.0
        for _ in range(6):
            start = monotonic()
            chain = [
                Transfer(id=new_id(), debit=debit, credit=credit, amount=3, code=4),
                Transfer(id=new_id(), debit=credit, credit=debit, amount=2, code=4),
            ]
            assert passed(await bench.post(*journal(chain))) == 2
            slowest = max(slowest, monotonic() - start)
        return slowest

    async with asyncio.timeout(30):
        slowest = await released_together([lambda n=n: client(n) for n in range(32)])
    assert max(slowest) < 10
    assert (await bench.balance(a)).posted + (await bench.balance(b)).posted == 20_000
    assert (await bench.verify()).ok


async def test_the_same_id_from_many_clients_is_booked_once(bench: Bench) -> None:
    """C1, C2, I5: 50 parallel posts of one id, some with another amount: one ok, exists or the difference."""
    _, alice, shop = await wallets(bench, 2, 1_000)
    id = new_id()
    works = [lambda n=n: bench.one(alice, shop, 10 + n % 2, id=id) for n in range(50)]
    results = await released_together(works)
    assert sorted(results) == (
        [Result.EXISTS] * 24 + [Result.EXISTS_WITH_DIFFERENT_AMOUNT] * 25 + [Result.OK]
    )


async def test_a_refused_id_stays_refused_when_money_comes(bench: Bench) -> None:
    """C5: refused for want of money, then funded: the same id still fails, a new one does not."""
    custody, alice, shop = await wallets(bench, 2, 0)
    id = new_id()
    assert await bench.one(alice, shop, 10, id=id) is Result.EXCEEDS_CREDITS
    assert await bench.one(custody, alice, 50) is Result.OK
    assert await bench.one(alice, shop, 10, id=id) is Result.ID_ALREADY_FAILED
    assert await bench.one(alice, shop, 10) is Result.OK


# Holds


async def held(bench: Bench, amount: int = 60, timeout: int = 0) -> tuple[int, int, Any]:
    _, alice, shop = await wallets(bench, 2, 100)
    hold = new_id()
    assert await bench.one(alice, shop, amount, id=hold, flags=PENDING, timeout=timeout) is Result.OK
    return alice, shop, hold


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((POST, 60), (POST, 60)),
        ((POST, 60), (POST, 10)),
        ((POST, 20), (POST, 20)),
        ((POST, 60), (VOID, 0)),
        ((VOID, 0), (VOID, 60)),
    ],
)
async def test_a_hold_ends_once_however_many_try(
    bench: Bench, first: tuple[int, int], second: tuple[int, int]
) -> None:
    """C11, I4: each pair released at one barrier, 12 rounds: one wins, the loser is told who won."""
    names = {POST: Result.PENDING_TRANSFER_ALREADY_POSTED, VOID: Result.PENDING_TRANSFER_ALREADY_VOIDED}
    for _ in range(12):
        alice, shop, hold = await held(bench)
        ends = [
            lambda flags=flags, amount=amount: bench.one(amount=amount, flags=flags, pending_id=hold)
            for flags, amount in (first, second)
        ]
        results = await released_together(ends)
        assert passed(results) == 1
        winner = (first, second)[results.index(Result.OK)]
        assert results[1 - results.index(Result.OK)] is names[winner[0]]
        moved = winner[1] if winner[0] == POST else 0
        assert (await bench.balance(alice)).available == 100 - moved
        assert (await bench.balance(alice)).held == 0
        assert (await bench.balance(shop)).posted == 100 + moved
    assert (await bench.verify()).ok


@pytest.mark.parametrize(
    ("seconds", "expected", "available"),
    [
        (899.999999, Result.OK, 40),
        (900, Result.PENDING_TRANSFER_EXPIRED, 100),
        (901, Result.PENDING_TRANSFER_EXPIRED, 100),
    ],
)
async def test_a_hold_can_be_posted_until_its_time_is_up(
    bench: Bench, seconds: float, expected: Result, available: int
) -> None:
    """C11: capture at the last microsecond, at the very moment, and after; the rest is released."""
    alice, shop, hold = await held(bench, timeout=900)
    bench.later(seconds=seconds)
    assert (await bench.balance(alice)).available == (40 if expected is Result.OK else 100)
    assert await bench.one(amount=60, flags=POST, pending_id=hold) is expected
    assert (await bench.balance(alice)).available == available
    assert (await bench.balance(shop)).posted == 200 - available
    assert (await bench.verify()).ok


async def test_no_more_than_the_hold_is_ever_posted(bench: Bench) -> None:
    """C11, I4: one unit over is refused, the hold itself passes; nothing is left of it afterwards."""
    _, shop, hold = await held(bench)
    assert await bench.one(amount=61, flags=POST, pending_id=hold) is Result.EXCEEDS_PENDING_TRANSFER_AMOUNT
    assert await bench.one(amount=59, flags=VOID, pending_id=hold) is (
        Result.PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT
    )
    assert await bench.one(amount=60, flags=POST, pending_id=hold) is Result.OK
    assert await bench.one(amount=1, flags=POST, pending_id=hold) is Result.PENDING_TRANSFER_ALREADY_POSTED
    assert (await bench.balance(shop)).posted == 160


async def test_an_overdue_hold_frees_its_money_for_the_very_next_spend(bench: Bench) -> None:
    """C11, I2: nobody swept; the spend's own turn does, and the expiry stands before it in history."""
    alice, shop, hold = await held(bench, amount=100, timeout=60)
    assert await bench.one(alice, shop, 1) is Result.EXCEEDS_CREDITS
    bench.later(seconds=60)
    assert await bench.one(alice, shop, 100) is Result.OK
    expiry, spend = (await bench.entries())[-2:]
    assert (expiry.flags, expiry.pending_id, expiry.amount) == (EXPIRED, hold, 100)
    assert spend.amount == 100


# Size


async def test_a_batch_of_three_thousand(bench: Bench) -> None:
    """R11: one turn, a result each; refused ones in between disturb nobody; once more changes nothing."""
    _, alice, shop = await wallets(bench, 2, 2_000)
    batch = [
        Transfer(id=new_id(), debit=alice, credit=shop, amount=1 if n % 3 else 0, code=4)
        for n in range(3_000)
    ]
    results = await bench.post(*batch)
    assert passed(results) == 2_000
    assert results.count(Result.AMOUNT_MUST_NOT_BE_ZERO) == 1_000
    again = await bench.post(*batch)
    assert again.count(Result.EXISTS) == 2_000
    assert again.count(Result.AMOUNT_MUST_NOT_BE_ZERO) == 1_000
    proof = await bench.verify()
    assert proof.ok, proof.faults
    assert proof.entries == 2_002


async def test_a_chain_of_three_thousand_stands_or_falls_whole(bench: Bench) -> None:
    """I5: the last member fails for one unit; nothing of the chain stays but the refusal of that one."""
    _, alice, shop = await wallets(bench, 2, 2_999)
    chain = journal([Transfer(id=new_id(), debit=alice, credit=shop, amount=1, code=4) for _ in range(3_000)])
    results = await bench.post(*chain)
    assert results == [Result.LINKED_EVENT_FAILED] * 2_999 + [Result.EXCEEDS_CREDITS]
    assert len(await bench.entries()) == 2
    assert passed(await bench.post(*journal([*chain[:-2], Transfer(**_fields(chain[-2], flags=0))]))) == 2_999
    assert (await bench.verify()).ok


def _fields(transfer: Transfer, **changes: Any) -> dict[str, Any]:
    return {name: getattr(transfer, name) for name in Transfer.__struct_fields__} | changes


async def test_thousands_of_overdue_holds_are_swept(bench: Bench) -> None:
    """F8, I2: more than two chunks overdue when a spend comes; it sees all of them released."""
    number = 2 * SWEEP + 600
    _, alice, shop = await wallets(bench, 2, number)
    holds = [
        Transfer(
            id=new_id(), debit=alice, credit=shop, amount=1, code=4, flags=PENDING, timeout=1 + n * 7 % 1000
        )
        for n in range(number)
    ]
    assert passed(await bench.post(*holds)) == number
    assert await bench.one(alice, shop, 1) is Result.EXCEEDS_CREDITS
    bench.later(seconds=1000)
    assert await bench.one(alice, shop, number) is Result.OK
    *_, spend = entries = await bench.entries()
    expiries = [entry for entry in entries if entry.flags == EXPIRED]
    due = sorted(holds, key=lambda hold: hold.timeout)  # sorted() keeps the booking order among equals
    assert [entry.pending_id for entry in expiries] == [hold.id for hold in due]
    assert spend.amount == number
    assert await bench.owner.fetchval("select count(*) from hold") == 0
    proof = await bench.verify()
    assert proof.ok, proof.faults


async def test_the_sweep_works_in_chunks_until_nothing_is_due(bench: Bench) -> None:
    """F8: the job's own sweep, chunk by chunk, exactly a full chunk at the end."""
    _, alice, shop = await wallets(bench, 2, 2 * SWEEP)
    holds = [
        Transfer(id=new_id(), debit=alice, credit=shop, amount=1, code=4, flags=PENDING, timeout=5)
        for _ in range(2 * SWEEP)
    ]
    assert passed(await bench.post(*holds)) == 2 * SWEEP
    bench.later(seconds=4)
    assert await bench.book.write(sweep) == 0
    bench.later(seconds=1)
    assert [await bench.book.write(sweep) for _ in range(3)] == [SWEEP, SWEEP, 0]
    assert (await bench.balance(alice)).debits_pending == 0
    assert (await bench.verify()).ok


async def test_the_largest_amounts_fit(bench: Bench) -> None:
    """M2: 2^63 - 1 is booked, also several times in one block; one more on the same side overflows."""
    keys = await bench.open(*[("suspense", "points", 0)] * 8)
    batch = [
        Transfer(id=new_id(), debit=keys[n], credit=keys[n + 1], amount=AMOUNT_MAX, code=4)
        for n in range(0, 8, 2)
    ]
    assert passed(await bench.post(*batch)) == 4
    assert await bench.one(keys[0], keys[3], 1) is Result.OVERFLOWS_DEBITS
    assert await bench.one(keys[1], keys[3], 1) is Result.OVERFLOWS_CREDITS
    proof = await bench.verify()
    assert proof.ok, proof.faults


# Tables keep the law


@pytest.mark.parametrize("table", ["transfer", "block"])
@pytest.mark.parametrize(
    "statement", ["update {} set booked_on = booked_on", "delete from {}", "truncate {}"]
)
async def test_history_is_append_only(bench: Bench, table: str, statement: str) -> None:
    """F5, D12: refused by the database itself, whoever asks; truncate too, which fires no row trigger."""
    await wallets(bench, 1, 100)
    with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
        await bench.owner.execute(statement.format(table))
    assert (await bench.verify()).entries == 1


async def test_the_applications_role_may_not_even_ask(dsn: str, schema: str) -> None:
    """F5: the tables' owner has no privilege to change history; where it is given back, a trigger stands."""
    await migrate(dsn, schema, FOLDERS)
    connection = await asyncpg.connect(dsn, server_settings={"search_path": schema})
    try:
        for table in ("transfer", "block"):
            await connection.execute(f"select * from {table}")
            changes = (
                f"update {table} set booked_on = booked_on",
                f"delete from {table}",
                f"truncate {table}",
            )
            for statement in changes:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
            await connection.execute(f"grant truncate on {table} to current_user")
            with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
                await connection.execute(changes[-1])
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("who", "change", "law"),
    [
        ("alice", "debits_posted = credits_posted + 1", "debits_within_credits"),
        ("alice", "debits_pending = credits_posted - debits_posted + 1", "debits_within_credits"),
        ("alice", "credits_posted = debits_posted - 1", "debits_within_credits"),
        ("custody", "credits_posted = debits_posted + 1", "credits_within_debits"),
        ("custody", "credits_pending = debits_posted - credits_posted + 1", "credits_within_debits"),
        ("alice", "debits_pending = -1", "account_debits_pending_check"),
        ("alice", "credits_pending = -1", "account_credits_pending_check"),
        ("custody", "debits_posted = -1", "check"),
        ("alice", "credits_posted = -1", "check"),
        ("alice", "scale = 5", "account_scale_check"),
    ],
)
async def test_the_tables_are_the_second_line(bench: Bench, who: str, change: str, law: str) -> None:
    """I3: counters that pass a bound or fall below zero are refused by the table, without the judge."""
    custody, alice, shop = await wallets(bench, 2, 100)
    # No kind in the chart asks for this bound today; the table must know it all the same.
    await bench.owner.execute(f"update account set credits_bounded = true where key = {custody}")
    assert await bench.one(alice, shop, 30) is Result.OK
    key = {"alice": alice, "custody": custody}[who]
    with pytest.raises(asyncpg.CheckViolationError, match=law):
        await bench.owner.execute(f"update account set {change} where key = {key}")
    await bench.owner.execute(f"update account set debits_posted = debits_posted where key = {key}")


async def test_the_extremes_of_a_bound_do_not_overflow_the_check(bench: Bench) -> None:
    """I3: the checks are written as differences, so that even full counters are compared, not refused."""
    _, alice = await wallets(bench, 1, 0)
    await bench.owner.execute(
        f"update account set credits_posted = {AMOUNT_MAX}, debits_posted = {AMOUNT_MAX} - 5,"
        f" debits_pending = 5 where key = {alice}"
    )


@pytest.mark.parametrize(
    "row",
    [
        {"amount": 0},
        {"amount": -1},
        {"credit_key": 1},
        {"timeout": -1},
        {"seq": 1},
        {"id": "(select id from transfer where seq = 1)"},
        {"pending_id": "(select pending_id from transfer where pending_id is not null)"},
    ],
)
async def test_a_row_of_history_is_checked_by_its_table(bench: Bench, row: dict[str, Any]) -> None:
    """I3, C11: no empty amount, no account with itself, no number, id or ended hold twice."""
    _, _, hold = await held(bench)
    assert await bench.one(flags=VOID, pending_id=hold) is Result.OK
    good: dict[str, Any] = {"seq": 99, "id": f"'{uuid4()}'", "debit_key": 1, "credit_key": 2, "amount": 1}
    good |= {"pending_id": "null", "timeout": 0}

    async def add(values: dict[str, Any]) -> None:
        rest = "code, flags, value_on, booked_on, booked_at, " + ", ".join(
            f"{side}_{name}_{phase}"
            for side in ("debit", "credit")
            for name in ("debits", "credits")
            for phase in ("pending", "posted")
        )
        await bench.owner.execute(
            f"insert into transfer ({', '.join(values)}, {rest})"
            f" values ({', '.join(map(str, values.values()))}, 4, 0, now(), now(), now(), 0,0,0,0,0,0,0,0)"
        )

    with pytest.raises((asyncpg.CheckViolationError, asyncpg.UniqueViolationError)):
        await add(good | row)
    await add(good)


# Changes behind the back


def block_swap(a: int, b: int, columns: str) -> str:
    """Exchange some columns of two blocks."""
    sets = ", ".join(f"{name} = other.{name}" for name in columns.split())
    return (
        f"update block set {sets} from block other"
        f" where (block.number, other.number) in (({a}, {b}), ({b}, {a}))"
    )


TAMPERED = {
    # what is changed, the promise that breaks, words in the fault
    "an amount": ("update transfer set amount = amount + 1 where seq = 4", "chain", "block 4"),
    "an amount and its counters, neatly": (
        "update transfer set amount = amount + 1, debit_debits_posted = debit_debits_posted + 1,"
        " credit_credits_posted = credit_credits_posted + 1 where seq = 4",
        "chain",
        "block 4",
    ),
    "a counter": ("update transfer set debit_debits_posted = 0 where seq = 4", "balances", "entry 4"),
    "a pending counter": (
        "update transfer set credit_credits_pending = 9 where seq = 5",
        "balances",
        "entry 5",
    ),
    "a kind of movement": ("update transfer set code = 5 where seq = 4", "chain", "block 4"),
    "a value date": ("update transfer set value_on = value_on - 1 where seq = 4", "chain", "block 4"),
    "a booking day": ("update transfer set booked_on = booked_on + 1 where seq = 4", "chain", "block 4"),
    "a moment": (
        "update transfer set booked_at = booked_at + interval '1 microsecond' where seq = 4",
        "chain",
        "block 4",
    ),
    "a payment": ("update transfer set payment = gen_random_uuid() where seq = 4", "chain", "block 4"),
    "an id": ("update transfer set id = gen_random_uuid() where seq = 4", "chain", "block 4"),
    "the payee": ("update transfer set credit_key = 1 where seq = 4", "balances", "account 1 "),
    "a timeout": ("update transfer set timeout = 9 where seq = 5", "chain", "block 5"),
    "a flag": ("update transfer set flags = 8 where seq = 4", "chain", "block 4"),
    "a hold's flag": ("update transfer set flags = 0 where seq = 5", "holds", "entry 6"),
    "which hold a post ends": (
        "update transfer set pending_id = (select id from transfer where seq = 7) where seq = 6",
        "holds",
        "entry 6",
    ),
    "a deleted row": ("delete from transfer where seq = 4", "chain", "block 4"),
    "a deleted newest row": ("delete from transfer where seq = 8", "chain", "block 8"),
    "two rows exchanged": (
        "update transfer set seq = case seq when 2 then -3 else -2 end where seq in (2, 3);"
        "update transfer set seq = -seq where seq < 0",
        "chain",
        "block 2",
    ),
    "a block's day": ("update block set booked_on = booked_on + 1 where number = 4", "chain", "block 4"),
    "a block's moment": (
        "update block set booked_at = booked_at - interval '1 day' where number = 4",
        "chain",
        "block 4",
    ),
    "a block's sums": ("""update block set sums = '{"CNY": 1}' where number = 4""", "zero", "block 4"),
    "a block's hash": (
        "update block set hash = sha256(hash) where number = 4",
        "chain",
        "block 4",
    ),
    "swapped blocks": (block_swap(2, 3, "previous hash"), "chain", "block 2"),
    "a block cut from the middle": (
        "delete from block where number = 4; delete from transfer where seq = 4",
        "chain",
        "block 5",
    ),
    "the newest block cut": (
        "delete from block where number = 8; delete from transfer where seq = 8",
        "chain",
        "the head",
    ),
    "the newest block cut and the head put back": (
        "delete from block where number = 8; delete from transfer where seq = 8;"
        "update ledger_head set seq = 7, block = 7, hash = (select hash from block where number = 7)",
        "balances",
        "account 2 ",
    ),
    "a row added at the end": (
        "insert into transfer select (jsonb_populate_record(t, jsonb_build_object("
        "'seq', 9, 'id', gen_random_uuid()))).* from transfer t where seq = 8",
        "chain",
        "entry 9",
    ),
    "the head": ("update ledger_head set seq = seq + 1", "chain", "the head"),
    "the head's moment": (
        "update ledger_head set booked_at = booked_at + interval '100 years'",
        "chain",
        "the head",
    ),
    "an account's counter": (
        "update account set credits_posted = credits_posted + 1 where key = 2",
        "balances",
        "account 2 ",
    ),
    "an account's pending counter": (
        "update account set debits_pending = 0 where key = 2",
        "balances",
        "account 2 ",
    ),
    "money made on both sides": (
        "update account set debits_posted = debits_posted + 5 where key = 1;"
        "update account set credits_posted = credits_posted + 5 where key = 2",
        "balances",
        "account 1 ",
    ),
    "an account's unit": ("update account set unit = 'USD' where key = 2", "zero", "USD"),
    "an account taken away": ("delete from account where key = 3", "balances", "account 3,"),
    "a bound switched on": (
        "alter table account drop constraint credits_within_debits;"
        "update account set credits_bounded = true where key = 3",
        "floors",
        "account 3 ",
    ),
    "a hold's amount": ("update hold set amount = amount + 1", "holds", "open holds"),
    "a hold's payee": ("update hold set credit_key = 1", "holds", "open holds"),
    "a hold's end": ("update hold set expires_at = expires_at + interval '1 day'", "holds", "open holds"),
    "a hold taken away": ("delete from hold", "holds", "open holds"),
    "a hold made up": (
        "insert into hold values (gen_random_uuid(), 2, 3, 5, null)",
        "holds",
        "open holds",
    ),
}


@pytest.mark.parametrize("name", TAMPERED)
async def test_a_change_behind_the_back_is_found_and_named(bench: Bench, name: str) -> None:
    """F5, I7: history of 8 blocks of one entry each; one change by a superuser with all triggers off."""
    custody, alice, shop = await bench.open(
        ("custody", *CNY), ("customer_wallet", *CNY), ("merchant_payable", *CNY)
    )
    first, second = new_id(), new_id()
    for asked in (
        Transfer(id=new_id(), debit=custody, credit=alice, amount=500, code=1),
        Transfer(id=new_id(), debit=alice, credit=shop, amount=100, code=2, payment=new_id()),
        Transfer(id=new_id(), debit=shop, credit=alice, amount=20, code=5),
        Transfer(id=new_id(), debit=alice, credit=shop, amount=50, code=2),
        Transfer(id=first, debit=alice, credit=shop, amount=70, code=2, flags=PENDING, timeout=900),
        Transfer(id=new_id(), amount=60, flags=POST, pending_id=first),
        Transfer(id=second, debit=alice, credit=shop, amount=30, code=2, flags=PENDING, timeout=900),
        Transfer(id=new_id(), debit=alice, credit=shop, amount=10, code=2),
    ):
        assert await bench.post(asked) == [Result.OK]
        bench.later(seconds=1)
    before = await bench.verify()
    assert before.ok, before.faults
    assert (before.blocks, before.entries) == (8, 8)
    statement, promise, words = TAMPERED[name]
    await bench.behind_the_back(*statement.split(";"))
    proof = await bench.verify()
    assert not proof.ok
    assert not getattr(proof, promise), proof.faults
    assert any(words in fault for fault in proof.faults), proof.faults
