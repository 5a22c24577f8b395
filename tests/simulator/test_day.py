"""A day of the town, and what the model and the proof say when something in it is not so."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from feiqian.kernel.book import Book
from feiqian.proof import Proof, prove, prove_book
from tests.simulator.conftest import feiqian

pytestmark = pytest.mark.anyio


def test_a_day_ends_with_everything_in_its_place(day):
    done, line = day
    assert done.returncode == 0, done.stderr
    assert line["faults"] == []
    assert line["invariants"] == {"I1": True, "I2": True, "I3": True, "I4": True, "I5": True}
    assert line["books_balanced"]
    assert line["chain_verified"]
    assert line["model_agrees"]
    assert line["payments"] >= 300
    for kind in ("refused", "refunds", "transfers", "holds", "repeats", "lost_answers", "seconds", "p99_ms"):
        assert line[kind] > 0, kind
    assert (line["people"], line["shops"], line["seed"]) == (31, 10, 4411)


def test_a_day_is_told_so_that_people_understand_it(day):
    done, _ = day
    for said in (
        "serves http://127.0.0.1:",
        "payments at shops",
        "yes I1",
        "not enough money",
        "verify --book town",
    ):
        assert said in done.stderr
    assert "NO " not in done.stderr
    assert len(done.stdout.splitlines()) == 1


def test_verify_proves_the_same_from_the_database_alone(data, day):
    done = feiqian(data, "verify", "--book", "town", "--json")
    line = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0
    assert line["payments"] == day[1]["payments"]
    assert line["refunds"] == day[1]["refunds"]
    assert line["transfers"] == day[1]["transfers"]
    assert all(line["invariants"].values())


class _Undo(Exception):
    """The corruption was only for the moment."""


@asynccontextmanager
async def planted(book: Book, *statements: str) -> AsyncIterator[Proof]:
    """The proof of a book in which somebody has done this; it is undone at once."""
    with suppress(_Undo):
        async with book.database.transaction() as connection:
            for table in ("transfer", "block", "payment_step", "event"):
                await connection.execute(f"alter table {table} disable trigger append_only")
            await connection.execute("grant update, delete on transfer, block to current_user")
            for statement in statements:
                tag = await connection.execute(statement)
                assert tag.split()[-1] != "0", f"nothing to corrupt: {statement}"
            yield await prove(connection, "town")
            raise _Undo


ONE = (
    "(select id from payment where kind = 'shop' and state = 'captured' and refunded = 0 order by id limit 1)"
)
BACK = "(select id from payment where refunded > 0 order by id limit 1)"
NO = "(select id from payment where state = 'refused' order by id limit 1)"

CORRUPTIONS: list[tuple[str, tuple[str, ...], str]] = [
    ("a balance raised", ("update account set credits_posted = credits_posted + 1 where key = 3",), "I2"),
    (
        "a balance made out of nothing on both sides",
        (
            "update account set credits_posted = credits_posted + 5 where key = 3",
            "update account set debits_posted = debits_posted + 5 where key = 1",
        ),
        "I2",
    ),
    ("a transfer's amount changed", ("update transfer set amount = amount + 1 where seq = 9",), "chain"),
    (
        "a transfer turned to another account",
        ("update transfer set credit_key = case credit_key when 5 then 6 else 5 end where seq = 9",),
        "I2",
    ),
    ("a transfer taken away", ("delete from transfer where seq = 9",), "chain"),
    ("a transfer's day changed", ("update transfer set booked_on = booked_on - 1 where seq = 9",), "chain"),
    (
        "a floor passed",
        (
            "alter table account drop constraint debits_within_credits",
            "update transfer set amount = amount + 100000000 where seq = (select max(t.seq) from transfer t"
            " join account a on a.key = t.debit_key where a.debits_bounded and t.flags & 21 = 0)",
        ),
        "I3",
    ),
    ("a block's sums changed", ("update block set sums = '{\"CNY\": 1}' where number = 2",), "I1"),
    (
        "entries that do not sum to zero",
        ("update account set unit = 'USD' where key = 3",),
        "I1",
    ),
    ("a payment made larger", (f"update payment set amount = amount + 1 where id = {ONE}",), "I4"),
    (
        "more captured than authorised",
        (
            "alter table payment drop constraint payment_check",
            f"update payment set captured = captured + 1 where id = {ONE}",
        ),
        "I4",
    ),
    ("a refund forgotten", (f"update payment set refunded = 0 where id = {BACK}",), "I4"),
    ("a state skipped", (f"update payment set state = 'refunded' where id = {ONE}",), "I4"),
    (
        "a fee changed",
        ("update leg set taken = taken - 1 where why = 'fee' and taken > 1 and returned = 0",),
        "I4",
    ),
    ("a leg's return forgotten", ("update leg set returned = 0 where returned > 0",), "I4"),
    ("a step taken away", (f"delete from payment_step where payment = {ONE} and n = 1",), "I4"),
    (
        "a purchase paid twice",
        (
            "alter table purchase drop constraint purchase_payment_key",
            f"update purchase set payment = {ONE} where id = (select id from purchase where state = 'paid'"
            f" and payment <> {ONE} order by id limit 1)",
        ),
        "I4",
    ),
    (
        "a paid purchase open again",
        (f"update purchase set state = 'open', payment = null where payment = {ONE}",),
        "I4",
    ),
    ("an event taken away", (f"delete from event where subject = {ONE}",), "I5"),
    ("an event of a refusal taken away", (f"delete from event where subject = {NO}",), "I5"),
    (
        "an event told twice",
        (
            "insert into event (id, type, subject, owner, data, at) select gen_random_uuid(), type, subject,"
            f" owner, data, at from event where subject = {ONE} limit 1",
        ),
        "I5",
    ),
    (
        "an acknowledged payment that never was",
        (
            "update request set body = convert_to(regexp_replace(convert_from(body, 'UTF8'),"
            " 'pay_0', 'pay_f'), 'UTF8') where status = 201 and body like '%pay_0%'::bytea",
        ),
        "I5",
    ),
    (
        "a refused payment that moved money",
        (f"update transfer set payment = {NO} where seq = 9",),
        "I5",
    ),
    ("an answer nobody gave", ("update request set body = 'x' where status = 201",), "I5"),
]


@pytest.mark.parametrize(
    ("statements", "found"), [each[1:] for each in CORRUPTIONS], ids=[c[0] for c in CORRUPTIONS]
)
async def test_a_corruption_is_found(book, statements, found):
    async with planted(book, *statements) as proof:
        pass
    assert not proof.ok
    if found == "chain":
        assert not proof.chain_verified
    else:
        assert not proof.invariants[found], proof.faults[:5]
    assert proof.faults, "what is wrong is named"


async def test_without_a_corruption_nothing_is_found(book):
    assert (await prove_book(book)).ok
    async with planted(book) as proof:
        pass
    assert proof.ok, proof.faults


async def behind_our_back(book: Book, statement: str) -> None:
    """Change what is never changed."""
    async with book.database.transaction() as connection:
        await connection.execute("alter table event disable trigger append_only")
        await connection.execute(statement)
        await connection.execute("alter table event enable trigger append_only")


async def test_a_fault_names_the_payment(book):
    async with planted(book, f"update payment set refunded = 0 where id = {BACK}") as proof:
        pass
    assert any(fault.startswith("I4 pay_") for fault in proof.faults), proof.faults


async def test_a_fault_ends_verify_with_exit_code_1(data, book):
    row = (
        "where subject = (select id from payment where state = 'captured' and capture = 'now'"
        " and refunded = 0 and reverses is null order by id limit 1)"
    )
    forget = f"update event set type = 'payment.forgotten' {row}"
    recall = f"update event set type = 'payment.captured' {row} and type = 'payment.forgotten'"
    await behind_our_back(book, forget)
    try:
        done = feiqian(data, "verify", "--json")
    finally:
        await behind_our_back(book, recall)
    line: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 1
    assert line["invariants"]["I5"] is False
    assert "NO  I5" in done.stderr
    assert (await prove_book(book)).ok
