"""S14: passwords and PINs: slow and salted, locked after too many tries, silent about who is known."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from datetime import timedelta
from statistics import median, quantiles
from typing import Any
from uuid import UUID

import pytest

from feiqian.access.factors.hashing import Costs, Hasher
from feiqian.access.factors.memorised import UsedBefore
from feiqian.access.factors.password import WrongLogin, check_password, log_in, set_password
from feiqian.access.factors.pin import check_pin, set_pin
from feiqian.access.factors.proof import WrongFactor
from feiqian.access.factors.tries import NONE, Rule, TooManyTries, Tries, count, forget_old_tries
from feiqian.access.factors.weak import Known, WeakPassword, WeakPin
from feiqian.kernel.clock import HandClock
from feiqian.kernel.errors import Refused, Unavailable
from feiqian.kernel.ids import new_id
from feiqian.parties.register import set_state
from tests.access.factors.conftest import ALICE, CHEAP, NOBODY
from tests.books import Town

pytestmark = pytest.mark.anyio

GOOD, OTHER, PIN = "te4hous", "Lantern7Bridge", "835192"
KNOWN = Known("Alice Smith", "+8613800138001")


async def outcome(asked: Awaitable[Any]) -> str:
    """ "ok", or the code of the refusal."""
    try:
        await asked
    except Refused as refusal:
        return refusal.code
    return "ok"


async def test_a_password_opens_and_another_does_not(town: Town, hasher: Hasher, alice: UUID) -> None:
    await set_password(town.book, hasher, alice, GOOD, KNOWN)
    inside = await log_in(town.book, hasher, "+86 " + ALICE, GOOD)
    assert (inside.proof.party, inside.proof.factor, inside.proof.about) == (alice, "password", None)
    assert (await check_password(town.book, hasher, alice, GOOD)).proof.party == alice
    for wrong in ("", GOOD + "x", GOOD.upper(), "x" * 100_000, "\ud800", "te4hous\0"):
        assert await outcome(log_in(town.book, hasher, ALICE, wrong)) == "wrong_login"


async def test_signs_composed_by_another_keyboard_are_the_same(
    town: Town, hasher: Hasher, alice: UUID
) -> None:
    await set_password(town.book, hasher, alice, "caf\u00e9 12 n", KNOWN)
    await log_in(town.book, hasher, ALICE, "cafe\u0301 12 n")


async def test_nothing_kept_is_the_secret_or_can_be_tried_without_the_seal(
    town: Town, hasher: Hasher, alice: UUID, bob: UUID
) -> None:
    await set_password(town.book, hasher, alice, GOOD, KNOWN)
    await set_password(town.book, hasher, bob, GOOD, KNOWN)
    await set_pin(town.book, hasher, alice, PIN, KNOWN)
    rows = await town.sql("select sealed from memorised")
    assert len({row["sealed"] for row in rows}) == 3
    stored = str(await town.sql("select * from memorised")) + str(await town.sql("select * from event"))
    for part in (GOOD, PIN, "argon2"):
        assert part not in stored
        assert part.encode() not in b"".join(row["sealed"] for row in rows)


async def test_ten_wrong_ones_lock_for_half_an_hour(town: Town, hasher: Hasher, alice: UUID) -> None:
    await set_password(town.book, hasher, alice, GOOD, KNOWN)
    for _ in range(9):
        assert await outcome(log_in(town.book, hasher, ALICE, "wrong1")) == "wrong_login"
    assert await outcome(log_in(town.book, hasher, ALICE, GOOD)) == "ok"  # forgiven
    for _ in range(10):
        assert await outcome(log_in(town.book, hasher, ALICE, "wrong1")) == "wrong_login"
    assert await outcome(log_in(town.book, hasher, ALICE, GOOD)) == "too_many_tries"
    assert await outcome(check_password(town.book, hasher, alice, GOOD)) == "too_many_tries"
    town.later(minutes=29, seconds=59)
    assert await outcome(log_in(town.book, hasher, ALICE, GOOD)) == "too_many_tries"
    town.later(seconds=1)
    assert await outcome(log_in(town.book, hasher, ALICE, GOOD)) == "ok"
    assert (await town.events(alice)).count("factor.locked") == 1


async def test_a_hundred_sessions_at_once_have_ten_tries_together(
    town: Town, hasher: Hasher, alice: UUID
) -> None:
    """S9, C6: tries are counted before they are judged."""
    await set_password(town.book, hasher, alice, GOOD, KNOWN)
    wide = Hasher(CHEAP, threads=2, waiting_max=100)
    answers = await asyncio.gather(
        *(outcome(log_in(town.book, wide, ALICE, f"wrong{n}")) for n in range(100))
    )
    assert sorted(set(answers)) == ["too_many_tries", "wrong_login"]
    assert answers.count("wrong_login") == 10


async def test_a_number_that_nobody_has_is_answered_and_locked_alike(
    town: Town, hasher: Hasher, alice: UUID, bob: UUID
) -> None:
    await set_password(town.book, hasher, alice, GOOD, KNOWN)
    answers = {}
    for phone in (ALICE, "13800138002", NOBODY):  # right but wrong password; no password yet; unknown
        answers[phone] = [await outcome(log_in(town.book, hasher, phone, "wrong1")) for _ in range(11)]
    assert answers[ALICE] == ["wrong_login"] * 10 + ["too_many_tries"]
    assert len(set(map(tuple, answers.values()))) == 1


async def test_a_number_that_nobody_has_takes_as_long(town: Town, alice: UUID) -> None:
    """Two distributions of 300 tries each, at a hundredth of the real cost: no median is outside of the
    other's quartiles."""
    hasher = Hasher(Costs(memory_kib=2_048, passes=1), threads=1)
    await set_password(town.book, hasher, alice, GOOD, KNOWN)
    took: dict[str, list[float]] = {ALICE: [], NOBODY: []}
    for n in range(300):
        for phone in (ALICE, NOBODY) if n % 2 else (NOBODY, ALICE):
            began = time.perf_counter()
            assert await outcome(log_in(town.book, hasher, phone, "wrong1")) == "wrong_login"
            took[phone].append(time.perf_counter() - began)
        if n % 9 == 8:
            town.later(minutes=31)
            await town.sql("delete from factor_tries")
    known, unknown = (sorted(times) for times in took.values())
    low, _, high = quantiles(known, n=4)
    print(f"known {median(known):.6f} s ({low:.6f} to {high:.6f}), unknown {median(unknown):.6f} s")
    assert low < median(unknown) < high, (low, median(known), high, median(unknown))
    low, _, high = quantiles(unknown, n=4)
    assert low < median(known) < high


async def test_the_dummy_hash_costs_what_a_real_one_costs(hasher: Hasher) -> None:
    real = await hasher.hash(GOOD)
    assert hasher.dummy.rsplit("$", 2)[0] == real.rsplit("$", 2)[0]
    assert [len(part) for part in hasher.dummy.split("$")] == [len(part) for part in real.split("$")]
    assert not await hasher.check(hasher.dummy, GOOD)
    assert not await hasher.check("no hash", GOOD)


async def test_costs_are_raised_when_somebody_logs_in(town: Town, hasher: Hasher, alice: UUID) -> None:
    await set_password(town.book, hasher, alice, GOOD, KNOWN)
    dearer = Hasher(Costs(memory_kib=512, passes=2), threads=1)
    before = (await town.sql("select sealed, set_at from memorised"))[0]
    assert await outcome(log_in(town.book, dearer, ALICE, "wrong1")) == "wrong_login"
    assert (await town.sql("select sealed from memorised"))[0]["sealed"] == before["sealed"]
    town.later(days=1)
    for _ in range(2):
        await log_in(town.book, dearer, ALICE, GOOD)
    after = (await town.sql("select sealed, set_at from memorised"))[0]
    assert after["sealed"] != before["sealed"]
    assert after["set_at"] == before["set_at"]
    await log_in(town.book, hasher, ALICE, GOOD)
    assert (await town.sql("select sealed from memorised"))[0]["sealed"] != after["sealed"]


async def test_the_last_few_are_not_taken_again(town: Town, hasher: Hasher, alice: UUID) -> None:
    words = [f"Lantern{n}Bridge" for n in range(2, 8)]
    for word in words:
        await set_password(town.book, hasher, alice, word, KNOWN)
    for word in words[1:]:
        with pytest.raises(UsedBefore):
            await set_password(town.book, hasher, alice, word, KNOWN)
    await set_password(town.book, hasher, alice, words[0], KNOWN)
    assert len(await town.sql("select 1 from memorised_before")) == 4
    assert await outcome(log_in(town.book, hasher, ALICE, words[0])) == "ok"
    assert await outcome(log_in(town.book, hasher, ALICE, words[5])) == "wrong_login"


@pytest.mark.parametrize(("whose", "days"), [("customer", 365), ("staff", 90)])
async def test_an_old_one_is_reminded_of(
    town: Town, hasher: Hasher, alice: UUID, whose: Any, days: int
) -> None:
    await set_password(town.book, hasher, alice, OTHER, KNOWN, whose)
    town.later(days=days, seconds=-1)
    assert not (await check_password(town.book, hasher, alice, OTHER, whose)).change_advised
    town.later(seconds=1)
    assert (await check_password(town.book, hasher, alice, OTHER, whose)).change_advised


async def test_weak_ones_are_not_kept(town: Town, hasher: Hasher, alice: UUID) -> None:
    for work in (set_password(town.book, hasher, alice, "abc123", KNOWN),
                 set_password(town.book, hasher, alice, GOOD, KNOWN, "staff")):  # fmt: skip
        with pytest.raises(WeakPassword):
            await work
    with pytest.raises(WeakPin):
        await set_pin(town.book, hasher, alice, "138001", KNOWN)
    assert not await town.sql("select 1 from memorised")


async def test_a_changed_password_ends_a_check_under_way(town: Town, hasher: Hasher, alice: UUID) -> None:
    await set_password(town.book, hasher, alice, GOOD, KNOWN)

    class Slow(Hasher):
        async def check(self, encoded: str, secret: str) -> bool:
            right = await super().check(encoded, secret)
            town.later(seconds=1)
            await set_password(town.book, hasher, alice, OTHER, KNOWN)
            return right

    assert await outcome(log_in(town.book, Slow(CHEAP, 1), ALICE, GOOD)) == "wrong_login"


async def test_a_closed_customer_logs_in_no_more(town: Town, hasher: Hasher, alice: UUID) -> None:
    await set_password(town.book, hasher, alice, GOOD, KNOWN)
    await town.write(set_state, alice, "closed")
    assert await outcome(log_in(town.book, hasher, ALICE, GOOD)) == "wrong_login"


async def test_a_pin_confirms_and_locks_for_longer_each_time(town: Town, hasher: Hasher, alice: UUID) -> None:
    await set_pin(town.book, hasher, alice, PIN, KNOWN)
    proof = await check_pin(town.book, hasher, alice, PIN, b"x" * 32)
    assert (proof.party, proof.factor, proof.about) == (alice, "pin", b"x" * 32)
    for hours in (0.25, 1, 4, 24, 24):
        for _ in range(5):
            assert await outcome(check_pin(town.book, hasher, alice, "835193")) == "wrong_factor"
        assert await outcome(check_pin(town.book, hasher, alice, PIN)) == "too_many_tries"
        town.later(hours=hours, seconds=-1)
        assert await outcome(check_pin(town.book, hasher, alice, PIN)) == "too_many_tries"
        town.later(seconds=1)
    assert await outcome(check_pin(town.book, hasher, alice, PIN)) == "ok"
    assert (await town.sql("select count(*) from factor_tries"))[0][0] == 0


async def test_a_pin_is_one_persons_own(town: Town, hasher: Hasher, alice: UUID, bob: UUID) -> None:
    """C3: the same digits of two customers never meet."""
    await set_pin(town.book, hasher, alice, PIN, KNOWN)
    assert await outcome(check_pin(town.book, hasher, bob, PIN)) == "wrong_factor"
    assert await outcome(check_pin(town.book, hasher, new_id(), PIN)) == "wrong_factor"
    await town.sql("update memorised set owner = $1", bob)  # the seal is bound to its owner
    with pytest.raises(Exception, match="sealed secret does not open"):
        await check_pin(town.book, hasher, bob, PIN)


async def test_wrong_ones_say_nothing_of_the_secret(town: Town, hasher: Hasher, alice: UUID) -> None:
    await set_pin(town.book, hasher, alice, PIN, KNOWN)
    with pytest.raises(WrongFactor) as caught:
        await check_pin(town.book, hasher, alice, "835193")
    assert caught.value.facts == {}
    with pytest.raises(WrongLogin) as wrong:
        await log_in(town.book, hasher, ALICE, "wrong1")
    assert (wrong.value.facts, wrong.value.param) == ({}, None)


async def test_hashing_turns_away_what_would_wait_too_long(hasher: Hasher) -> None:
    narrow = Hasher(CHEAP, threads=1, waiting_max=2)
    answers = await asyncio.gather(*(narrow.hash(GOOD) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(answer, Unavailable) for answer in answers) == 3
    await narrow.hash(GOOD)


async def test_nobody_else_waits_while_eight_hash() -> None:
    """The event loop goes on: at full cost its worst pause stays far below one hash."""
    hasher = Hasher()
    await hasher.hash(GOOD)
    began = time.perf_counter()
    await hasher.hash(GOOD)
    one = time.perf_counter() - began
    work = asyncio.gather(*(hasher.hash(GOOD) for _ in range(8)))
    pauses = []
    while not work.done():
        before = time.perf_counter()
        await asyncio.sleep(0.002)
        pauses.append(time.perf_counter() - before - 0.002)
    await work
    pauses.sort()
    print(f"one hash {one:.3f} s, loop delay p50 {median(pauses):.4f} worst {pauses[-1]:.4f} s")
    assert median(pauses) < one / 10
    assert pauses[len(pauses) * 95 // 100] < one / 2
    hasher.close()


async def test_old_counts_are_forgotten(town: Town, hasher: Hasher, alice: UUID) -> None:
    await outcome(log_in(town.book, hasher, NOBODY, "wrong1"))
    await town.write(forget_old_tries)
    assert await town.sql("select 1 from factor_tries")
    town.later(days=31)
    await town.write(forget_old_tries)
    assert not await town.sql("select 1 from factor_tries")


async def test_tries_are_counted_by_rule() -> None:
    at, rule = HandClock().now(), Rule(2, (timedelta(minutes=1), timedelta(minutes=5)))
    one = count(NONE, rule, at)
    assert one == Tries(1, 0, None)
    two = count(one, rule, at)
    assert two == Tries(2, 1, at + timedelta(minutes=1))
    with pytest.raises(TooManyTries):
        count(two, rule, at + timedelta(seconds=59))
    again = count(two, rule, at + timedelta(minutes=1))
    assert again == Tries(1, 1, None)
    for locks in (2, 3):
        again = count(again._replace(wrong=1), rule, at)
        assert (again.locks, again.locked_until) == (locks, at + timedelta(minutes=5))
        again = Tries(0, again.locks, None)
