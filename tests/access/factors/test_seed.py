"""S9, S10: numbers of an app pass once, answers to a question only for what was shown."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest

from feiqian.access.factors import seed
from feiqian.access.factors.ocra import BadSuite, ocra
from feiqian.access.factors.otp import totp
from feiqian.access.factors.proof import NothingSealed, Proof, Shown
from feiqian.access.factors.seed import APP_SUITE, KEYPAD_SUITE, NewSeed, Question
from feiqian.kernel.errors import Refused
from feiqian.kernel.ids import new_id
from feiqian.kernel.money import Money
from tests.books import Town

pytestmark = pytest.mark.anyio


def tea() -> Shown:
    return Shown(new_id(), Money(1234, "CNY"), new_id())


def code_of(answer: Any) -> str:
    return answer.code if isinstance(answer, Refused) else "ok"


def now(town: Town, new: NewSeed, steps: int = 0) -> str:
    return totp(new.secret, int(town.clock.now().timestamp()) + 30 * steps)


async def enrolled(town: Town, party: UUID, kind: Any = "totp", suite: str = APP_SUITE) -> NewSeed:
    new = await town.write(seed.enrol, party, kind, suite)
    assert isinstance(new, NewSeed)
    first = (
        now(town, new, -1) if kind == "totp" else ocra(suite, new.secret, seed.first_question(new.id, suite))
    )
    answer = await town.write(seed.confirm, party, new.id, first)
    assert isinstance(answer, Proof)
    return new


async def asked(town: Town, party: UUID, shown: Shown) -> Question:
    question = await town.write(seed.ask, party, shown)
    assert isinstance(question, Question)
    return question


def answer_to(question: Question, new: NewSeed) -> str:
    return ocra(question.suite, new.secret, question.question)


async def test_a_number_passes_once_and_none_before_it(town: Town, alice: UUID) -> None:
    """S9."""
    new = await enrolled(town, alice)
    for steps, code in ((0, "ok"), (0, "wrong_factor"), (-1, "wrong_factor"), (1, "ok"), (0, "wrong_factor")):
        assert code_of(await town.write(seed.check_totp, alice, now(town, new, steps))) == code
    town.later(seconds=90)
    proof = await town.write(seed.check_totp, alice, now(town, new))
    assert proof == Proof(alice, "totp", town.clock.now())


@pytest.mark.parametrize(
    ("steps", "code"), [(-2, "wrong_factor"), (-1, "ok"), (0, "ok"), (1, "ok"), (2, "wrong_factor")]
)
async def test_the_window_is_one_step_each_way(town: Town, alice: UUID, steps: int, code: str) -> None:
    new = await enrolled(town, alice)
    town.later(minutes=5)
    assert code_of(await town.write(seed.check_totp, alice, now(town, new, steps))) == code


async def test_five_wrong_numbers_lock_and_are_counted_over_all_sessions(town: Town, alice: UUID) -> None:
    """S9: 10,000 guesses are five."""
    new = await enrolled(town, alice)
    town.later(minutes=5)
    for _ in range(5):
        assert code_of(await town.write(seed.check_totp, alice, "x")) == "wrong_factor"
    assert code_of(await town.write(seed.check_totp, alice, now(town, new))) == "too_many_tries"
    town.later(minutes=10)
    assert code_of(await town.write(seed.check_totp, alice, now(town, new))) == "ok"


async def test_a_seed_counts_only_after_its_first_right_number(town: Town, alice: UUID, bob: UUID) -> None:
    new = await town.write(seed.enrol, alice, "totp")
    assert isinstance(new, NewSeed)
    assert code_of(await town.write(seed.check_totp, alice, now(town, new))) == "wrong_factor"
    assert code_of(await town.write(seed.confirm, bob, new.id, now(town, new))) == "not_found"
    assert code_of(await town.write(seed.confirm, alice, new.id, "000000")) == "wrong_factor"
    assert code_of(await town.write(seed.confirm, alice, new.id, now(town, new))) == "ok"
    assert code_of(await town.write(seed.confirm, alice, new.id, now(town, new, 1))) == "not_found"
    assert code_of(await town.write(seed.enrol, alice, "totp")) == "seed_in_use"
    assert await town.events(alice) == ["party.registered", "factor.added"]
    assert code_of(await town.write(seed.check_totp, bob, now(town, new, 1))) == "wrong_factor"  # C3


async def test_setting_up_again_drops_what_was_begun(town: Town, alice: UUID) -> None:
    first = await town.write(seed.enrol, alice, "totp")
    second = await town.write(seed.enrol, alice, "totp")
    assert isinstance(first, NewSeed)
    assert isinstance(second, NewSeed)
    assert code_of(await town.write(seed.confirm, alice, first.id, now(town, first))) == "not_found"
    assert code_of(await town.write(seed.confirm, alice, second.id, now(town, second))) == "ok"


async def test_a_removed_seed_is_forgotten(town: Town, alice: UUID) -> None:
    new = await enrolled(town, alice)
    await town.write(seed.remove, alice, "totp")
    await town.write(seed.remove, alice, "totp")
    assert code_of(await town.write(seed.check_totp, alice, now(town, new))) == "wrong_factor"
    assert [row["sealed"] for row in await town.sql("select sealed from seed")] == [b""]
    await enrolled(town, alice)
    assert (await town.events(alice))[-2:] == ["factor.removed", "factor.added"]


async def test_the_secret_is_kept_sealed_and_told_once(town: Town, alice: UUID) -> None:
    new = await enrolled(town, alice)
    assert new.secret not in (await town.sql("select sealed from seed"))[0]["sealed"]
    assert new.secret.hex() not in repr(new)
    uri = new.uri("138****8001", "飞钱")
    assert uri.startswith("otpauth://totp/%E9%A3%9E%E9%92%B1%3A138%2A%2A%2A%2A8001?secret=")
    town.book.sealing = None
    with pytest.raises(NothingSealed):
        await town.write(seed.check_totp, alice, "1")


@pytest.mark.parametrize("suite", [APP_SUITE, KEYPAD_SUITE, "OCRA-1:HOTP-SHA512-10:QA16"])
async def test_an_answer_is_about_what_was_shown_and_passes_once(town: Town, alice: UUID, suite: str) -> None:
    """S9, S10."""
    new, shown = await enrolled(town, alice, "ocra", suite), tea()
    question = await asked(town, alice, shown)
    given = answer_to(question, new)
    proof = await town.write(seed.check_answer, alice, question.id, shown, given)
    assert proof == Proof(alice, "ocra", town.clock.now(), shown.digest())
    assert code_of(await town.write(seed.check_answer, alice, question.id, shown, given)) == "wrong_factor"


@pytest.mark.parametrize(
    "change",
    [
        {"amount": Money(1235, "CNY")},
        {"amount": Money(1234, "USD")},
        {"payee": new_id()},
        {"subject": new_id()},
    ],
)
async def test_nothing_may_change_after_the_answer(town: Town, alice: UUID, change: Any) -> None:
    """S10: amount, currency, payee and the payment itself."""
    new, shown = await enrolled(town, alice, "ocra"), tea()
    question = await asked(town, alice, shown)
    other = msgspec.structs.replace(shown, **change)
    given = answer_to(question, new)
    assert code_of(await town.write(seed.check_answer, alice, question.id, other, given)) == "wrong_factor"
    assert code_of(await town.write(seed.check_answer, alice, question.id, shown, given)) == "ok"


async def test_an_answer_passes_for_no_other_question_or_person(town: Town, alice: UUID, bob: UUID) -> None:
    """S9, C3: the answer about payment A on payment B."""
    new, a, b = await enrolled(town, alice, "ocra"), tea(), tea()
    about_a = await asked(town, alice, a)
    given = answer_to(about_a, new)
    assert code_of(await town.write(seed.check_answer, bob, about_a.id, a, given)) == "wrong_factor"
    about_b = await asked(town, alice, b)  # ends the one before
    assert code_of(await town.write(seed.check_answer, alice, about_b.id, b, given)) == "wrong_factor"
    assert code_of(await town.write(seed.check_answer, alice, about_a.id, a, given)) == "wrong_factor"
    assert code_of(await town.write(seed.check_answer, alice, new_id(), b, given)) == "wrong_factor"
    assert code_of(await town.write(seed.check_answer, alice, about_b.id, b, answer_to(about_b, new))) == "ok"
    assert code_of(await town.write(seed.ask, bob, b)) == "not_found"


@pytest.mark.parametrize(("seconds", "code"), [(599, "ok"), (600, "wrong_factor")])
async def test_a_question_lives_ten_minutes(town: Town, alice: UUID, seconds: int, code: str) -> None:
    new, shown = await enrolled(town, alice, "ocra"), tea()
    question = await asked(town, alice, shown)
    town.later(seconds=seconds)
    given = answer_to(question, new)
    assert code_of(await town.write(seed.check_answer, alice, question.id, shown, given)) == code


async def test_the_same_thing_asked_twice_has_two_questions(town: Town, alice: UUID) -> None:
    new, shown = await enrolled(town, alice, "ocra"), tea()
    first, second = await asked(town, alice, shown), await asked(town, alice, shown)
    assert first.question != second.question
    given = answer_to(first, new)
    assert code_of(await town.write(seed.check_answer, alice, second.id, shown, given)) == "wrong_factor"


@pytest.mark.parametrize(
    "suite", ["x", "OCRA-1:HOTP-SHA1-6:C-QN08", "OCRA-1:HOTP-SHA1-6:QN08-T1M", "OCRA-1:HOTP-SHA1-4:QN08",
              "OCRA-1:HOTP-SHA1-6:QN08-PSHA1", "OCRA-1:HOTP-SHA1-0:QN08", "OCRA-1:HOTP-SHA1-6:QN07"],
)  # fmt: skip
async def test_a_device_takes_a_question_alone(town: Town, alice: UUID, suite: str) -> None:
    answer = await town.write(seed.enrol, alice, "ocra", suite)
    assert isinstance(answer, BadSuite)
