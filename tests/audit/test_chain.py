"""The chain: no gaps whoever writes at once, committed with the act or not at all, and any touch is found."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import pytest

from feiqian.access import create
from feiqian.instruments.limits import OwnLimit
from feiqian.instruments.manage import freeze
from feiqian.instruments.welcome import Newcomer, welcome
from feiqian.kernel.audit import NOBODY, SYSTEM, Actor, Note, append
from feiqian.kernel.audit.entry import sound
from feiqian.kernel.audit.recorder import Recorder
from feiqian.kernel.book import Turn
from feiqian.kernel.database import Database
from feiqian.kernel.errors import NotFound, Unavailable
from feiqian.kernel.ids import new_id
from feiqian.kernel.mask import HIDDEN
from feiqian.parties import NewParty, PartyStateRefused, set_state
from tests.audit.conftest import proof_of
from tests.books import Town

pytestmark = pytest.mark.anyio

ALICE = Actor("key_alice", new_id(), "192.0.2.1", "req_1")


def note(n: int = 0, **more: Any) -> Note:
    return Note(ALICE, "wallet.frozen", (f"wal_{n:032x}",), datetime(2026, 11, 2, tzinfo=UTC), **more)


async def entries(town: Town) -> list[Any]:
    return await town.sql("select * from audit_entry order by seq")


async def write(town: Town, *notes: Note) -> None:
    await town.book.database.run(lambda connection: append(connection, notes, is_act=False))


async def five(town: Town) -> None:
    """Five entries, in two transactions."""
    await write(town, note(1), note(2, facts={"before": {"state": "active"}, "after": {"state": "frozen"}}))
    await write(town, note(3), note(4), note(5))


async def test_an_act_and_its_entry_are_committed_together(town: Town) -> None:
    (party,) = await town.write(welcome, [Newcomer(NewParty("person", "李小明", "13800138000"))])
    book = town.book.by(ALICE)
    await book.write(lambda turn: set_state(turn, party.id, "frozen"))
    registered, frozen = await entries(town)
    assert (registered["verb"], registered["actor"]) == ("party.registered", "system")
    told = ("verb", "actor", "principal", "peer", "request", "objects", "result", "at")
    assert [frozen[name] for name in told] == [
        "party.frozen",
        "key_alice",
        ALICE.principal,
        "192.0.2.1",
        "req_1",
        [f"cus_{party.id.hex}"],
        "done",
        town.clock.now(),
    ]
    assert frozen["facts"] == {
        "before": {"state": "active", "account_class": 1},
        "after": {"state": "frozen", "account_class": 1},
    }
    assert (await proof_of(town)).entries == 2
    # In that state already: nothing changes and nothing is written.
    await book.write(lambda turn: set_state(turn, party.id, "frozen"))
    assert len(await entries(town)) == 2


async def test_an_act_that_rolls_back_leaves_no_entry(town: Town) -> None:
    (party,) = await town.write(welcome, [Newcomer(NewParty("person", "A B"))])

    async def fail(turn: Turn) -> None:
        await set_state(turn, party.id, "frozen")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await town.book.write(fail)
    await town.write(set_state, party.id, "closed")
    with pytest.raises(PartyStateRefused):
        await town.write(set_state, party.id, "active")
    assert [each["verb"] for each in await entries(town)] == ["party.registered", "party.closed"]
    proof = await proof_of(town)
    assert (proof.ok, proof.entries) == (True, 2)


@pytest.mark.parametrize(
    "change",
    [
        "update wallet set state = 'frozen'",
        """update wallet set limits = '[{"measure": "amount", "period": "day", "most": 1}]'""",
        "update party set state = 'frozen'",
        "update party set account_class = 3",
        "update api_key set scopes = '{keys:write}'",
        "update api_key set ends_at = null, revoked_at = now()",
        "update book_turn set clock_shift = '1 day'",
        "insert into api_key select gen_random_uuid(), principal, null, 'x', scopes, '\\x00', 'x', version,"
        " created_at from api_key",
    ],
)
async def test_an_act_without_its_entry_cannot_be_committed(town: Town, change: str) -> None:
    await town.write(welcome, [Newcomer(NewParty("person", "A B"))])
    await town.write(create, "till", ["payments:read"])
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="was not audited"):
        await _commit(town, change)
    # What is read and refused writes entries too, but stands in for no act.
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="was not audited"):
        await _commit(town, change, is_act=False)
    await _commit(town, change, is_act=True)


async def _commit(town: Town, change: str, *, is_act: bool | None = None) -> None:
    async with town.book.database.transaction() as connection:
        await connection.execute(change)
        if is_act is not None:
            await append(connection, [note()], is_act=is_act)


async def test_fifty_writers_at_once_leave_one_chain_without_gaps(dsn: str, town: Town) -> None:
    """Acts in turns and notes outside of them, from several pools as from several processes."""
    people = await town.write(welcome, [Newcomer(NewParty("person", "A B")) for _ in range(25)])
    pools = [Database(dsn, town.book.database.schema, 6) for _ in range(4)]
    for pool in pools:
        await pool.open()
    books = [replace(town.book, database=pool) for pool in pools]
    recorders = [Recorder(book) for book in books]

    async def act(n: int) -> None:
        await books[n % 4].by(Actor(f"key_{n}")).write(lambda turn: set_state(turn, people[n].id, "frozen"))

    await asyncio.gather(*(act(n) for n in range(25)), *(recorders[n % 4].now(note(n)) for n in range(25)))
    for recorder, pool in zip(recorders, pools, strict=True):
        await recorder.drained()
        await pool.close()
    rows = await entries(town)
    assert [row["seq"] for row in rows] == list(range(1, 76))
    for n, person in enumerate(people):
        (frozen,) = [row for row in rows if row["verb"] == "party.frozen" and row["actor"] == f"key_{n}"]
        assert frozen["objects"] == [f"cus_{person.id.hex}"]
    proof = await proof_of(town)
    assert proof.ok, proof.faults


CHANGED = [
    ("at", "at + interval '1 microsecond'"),
    ("machine_at", "machine_at - interval '1 day'"),
    ("actor", "'key_mallory'"),
    ("principal", "null"),
    ("peer", "'203.0.113.9'"),
    ("request", "'req_2'"),
    ("verb", "'wallet.released'"),
    ("objects", "'{wal_00000000000000000000000000000009}'"),
    ("result", "'forbidden'"),
    ("facts", """'{"after": {"state": "active"}}'"""),
    ("hash", "sha256('x')"),
    ("id", "gen_random_uuid()"),
]
TOUCHED = [
    *(f"update audit_entry set {column} = {value} where seq = 2" for column, value in CHANGED),
    "delete from audit_entry where seq = 1",
    "delete from audit_entry where seq = 3",
    "delete from audit_entry where seq = 5",
    "delete from audit_entry",
    "update audit_entry set seq = seq + 10 where seq in (4, 5); "
    "update audit_entry set seq = 19 - seq where seq > 10",
    "update audit_entry set seq = seq + 10 where seq in (4, 5); "
    "update audit_entry set seq = 19 - seq where seq > 10; "
    "update audit_head set hash = (select hash from audit_entry where seq = 5)",
    "update audit_entry set seq = seq + 100 where seq > 2",
    "insert into audit_entry select 6, gen_random_uuid(), at, machine_at, actor, principal, peer, request,"
    " verb, objects, result, facts, hash from audit_entry where seq = 5",
    "update audit_head set hash = sha256('x')",
    "update audit_head set seq = 4",
    "update audit_head set seq = 4, hash = (select hash from audit_entry where seq = 4)",
    "delete from audit_head",
]


@pytest.mark.parametrize("statement", TOUCHED)
async def test_any_touch_is_found(town: Town, behind_the_back: Any, statement: str) -> None:
    """D12, I7: changed, cut, inserted, reordered; entries or head."""
    await five(town)
    proof = await proof_of(town)
    assert (proof.ok, proof.entries) == (True, 5)
    assert len(proof.head) == 64
    for each in statement.split("; "):
        await behind_the_back(each)
    proof = await proof_of(town)
    assert not proof.ok
    assert proof.faults


@pytest.mark.parametrize(
    "statement", ["update audit_entry set actor = 'me'", "delete from audit_entry", "truncate audit_entry"]
)
async def test_the_applications_role_cannot_touch_the_log(town: Town, statement: str) -> None:
    """D12: no privilege; and where it is given back, a trigger stands."""
    await five(town)
    async with town.book.database.read() as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
        await connection.execute("grant all on audit_entry to current_user")
        with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
            await connection.execute(statement)
    assert (await proof_of(town)).entries == 5


async def test_a_note_written_twice_is_one_entry(town: Town) -> None:
    """As when the commit's answer was lost and the work is done again."""
    one, other = note(1), note(2)
    await write(town, one, one)
    await write(town, one, other)
    assert [row["id"] for row in await entries(town)] == [one.id, other.id]
    assert (await proof_of(town)).ok


async def test_facts_come_back_as_they_were_hashed(town: Town) -> None:
    facts = {
        "after": {
            "limits": [OwnLimit("amount", "day", 10**14)],
            "begins_on": date(2026, 11, 2),
            "until": datetime(2026, 11, 2, 8, tzinfo=UTC),
            "z": -1,
            "a": True,
            "没有": None,
            "text": 'é " \\ 茶 \ud800 \0',
        }
    }
    await write(town, note(facts=facts))
    ((row,)) = await entries(town)
    after = row["facts"]["after"]
    assert after["limits"] == [{"measure": "amount", "period": "day", "most": 10**14}]
    assert (after["begins_on"], after["until"]) == ("2026-11-02", "2026-11-02T08:00:00+00:00")
    assert (await proof_of(town)).ok


def test_what_must_not_be_in_the_log_is_hidden() -> None:
    told = {
        "name": "李小明",
        "phone": "+8613800138000",
        "secret": "s3cret",
        "card_number": "4111111111111111",
        "note": "call 13800138000 or use sk_live_abcdefghijklmnopqrstuvwxyz, card 4111 1111 1111 1111",
        "deep": [{"cvv": "123", "payment_code": "2812345678901234567"}],
        "scopes": ("keys:write", "payments:read"),
        "most": 50_000_000_000,
        "id": "cus_01932c5e8f4a7b3c9d2e1f0a5b6c7d8e",
    }
    kept = sound(told)
    text = msgspec.json.encode(kept).decode()
    for canary in ("李小明", "13800138000", "s3cret", "4111", "sk_live_abc", "28123456"):
        assert canary not in text, canary
    assert (kept["name"], kept["most"], kept["id"]) == (HIDDEN, 50_000_000_000, told["id"])
    assert kept["scopes"] == ["keys:write", "payments:read"]


async def test_late_notes_are_written_within_a_second_and_repeats_counted(town: Town) -> None:
    recorder = Recorder(town.book)
    at = town.clock.now()
    for _ in range(1_000):
        recorder.soon(Note(NOBODY, "access.failed", (), at, "unauthenticated", {"route": "/v1/keys"}))
    recorder.soon(Note(NOBODY, "access.failed", (), at, "unauthenticated", {"route": "/v1/me"}))
    await asyncio.sleep(1)
    rows = await entries(town)
    assert [(row["facts"].get("times", 1), row["facts"]["route"]) for row in rows] == [
        (1_000, "/v1/keys"),
        (1, "/v1/me"),
    ]
    recorder.soon(note(1))
    await recorder.drained()  # as at shutdown: at once
    assert len(await entries(town)) == 3
    assert (await proof_of(town)).ok


async def test_a_log_without_room_refuses(town: Town) -> None:
    recorder = Recorder(town.book, waiting_most=2)
    for n in (1, 2):
        recorder.soon(note(n))
    recorder.soon(note(2))  # the same again needs no room
    with pytest.raises(Unavailable):
        recorder.soon(note(3))
    await recorder.drained()
    recorder.soon(note(3))
    await recorder.drained()
    assert [row["facts"].get("times", 1) for row in await entries(town)] == [1, 2, 1]


async def test_late_notes_wait_for_a_database_that_is_away(town: Town, monkeypatch: Any) -> None:
    recorder = Recorder(town.book)
    run = town.book.database.run

    async def away(work: Any) -> Any:
        raise Unavailable

    monkeypatch.setattr(town.book.database, "run", away)
    recorder.soon(note(1))
    await asyncio.sleep(0.7)
    monkeypatch.setattr(town.book.database, "run", run)
    await recorder.drained()
    assert [row["objects"] for row in await entries(town)] == [[f"wal_{1:032x}"]]


async def test_who_acts_is_the_system_unless_said(town: Town) -> None:
    await town.book.advance(timedelta(hours=1))
    await town.book.by(ALICE).advance(timedelta(hours=1))
    rows = await entries(town)
    assert [(row["verb"], row["actor"]) for row in rows] == [
        ("clock.advanced", SYSTEM.name),
        ("clock.advanced", ALICE.name),
    ]
    assert rows[1]["facts"] == {"before": {"shift_seconds": 3600}, "after": {"shift_seconds": 7200}}


async def test_an_act_on_what_is_not_there_leaves_nothing(town: Town) -> None:
    with pytest.raises(NotFound):
        await town.write(freeze, new_id())
    assert await entries(town) == []
