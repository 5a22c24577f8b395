"""S9, S13: codes by SMS, sent after the commit, about one thing, and only where the SIM is the customer's."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from feiqian.access.factors import sms
from feiqian.access.factors.forget import forget_old_factors
from feiqian.access.factors.proof import Proof, Shown
from feiqian.access.factors.sim_swap import Operator, SimCheck, judge
from feiqian.access.factors.sms import SmsCode
from feiqian.access.factors.sms_sender import HttpGateway, deliver
from feiqian.kernel.errors import Refused
from feiqian.kernel.ids import new_id
from feiqian.kernel.money import Money
from feiqian.simulator.loopback import Asked, Loopback
from feiqian.simulator.mobile_operator import MobileOperator
from feiqian.simulator.sms_gateway import SmsGateway
from tests.access.factors.conftest import ALICE
from tests.books import Town

pytestmark = pytest.mark.anyio

PHONE = "+86" + ALICE


def tea() -> Shown:
    return Shown(new_id(), Money(1234, "CNY"), new_id())


def code_of(answer: Any) -> str:
    return answer.code if isinstance(answer, Refused) else "ok"


@pytest.fixture
def plays() -> Iterator[Callable[[Any], str]]:
    """Starts what plays somebody else; -> its address."""
    running = []

    def start(one: Any) -> str:
        running.append(Loopback(one.answer))
        return running[-1].start()

    yield start
    for one in running:
        one.stop()


async def token() -> str:
    return "simulated"


async def ask(town: Town, party: UUID, shown: Shown, **sim: Any) -> Any:
    said: dict[str, Any] = {"phone": PHONE, "verdict": "not_swapped", "at": town.clock.now(), **sim}
    return await town.write(sms.send_code, party, shown, "茶*", SimCheck(**said))


async def sent(town: Town, party: UUID, shown: Shown) -> tuple[SmsCode, str]:
    """A code, and what the telephone shows."""
    code = await ask(town, party, shown)
    assert isinstance(code, SmsCode), code

    class Telephone:
        text = ""

        async def send(self, id: str, phone: str, text: str) -> Any:
            self.text = text
            return "accepted"

    telephone = Telephone()
    assert await deliver(town.book, telephone) == 1
    found = re.search(r"验证码 ([0-9]{6})，", telephone.text)
    assert found
    return code, found[1]


async def test_a_code_confirms_what_it_says_and_once(town: Town, alice: UUID) -> None:
    """S9."""
    shown = tea()
    code, digits = await sent(town, alice, shown)
    assert code.phone == "+86 138****8001"
    proof = await town.write(sms.check_code, alice, code.id, shown, digits)
    assert proof == Proof(alice, "sms", town.clock.now(), shown.digest())
    assert code_of(await town.write(sms.check_code, alice, code.id, shown, digits)) == "wrong_factor"


@pytest.mark.parametrize(
    "change",
    [
        {"amount": Money(1235, "CNY")},
        {"amount": Money(1234, "USD")},
        {"payee": new_id()},
        {"subject": new_id()},
    ],
)
async def test_a_code_of_one_payment_confirms_no_other(town: Town, alice: UUID, change: Any) -> None:
    """S9, S10."""
    shown = tea()
    code, digits = await sent(town, alice, shown)
    other = msgspec.structs.replace(shown, **change)
    assert code_of(await town.write(sms.check_code, alice, code.id, other, digits)) == "wrong_factor"
    assert code_of(await town.write(sms.check_code, alice, code.id, shown, digits)) == "ok"


async def test_a_code_is_one_persons_and_one_numbers(town: Town, alice: UUID, bob: UUID) -> None:
    """C3; and a code sent to a number the customer gave up is worth nothing."""
    shown = tea()
    code, digits = await sent(town, alice, shown)
    assert code_of(await town.write(sms.check_code, bob, code.id, shown, digits)) == "wrong_factor"
    assert code_of(await town.write(sms.check_code, alice, new_id(), shown, digits)) == "wrong_factor"
    await town.sql("update party set phone = '+8613700137000' where id = $1", alice)
    assert code_of(await town.write(sms.check_code, alice, code.id, shown, digits)) == "wrong_factor"


@pytest.mark.parametrize(("seconds", "code"), [(599, "ok"), (600, "wrong_factor")])
async def test_a_code_lives_ten_minutes(town: Town, alice: UUID, seconds: int, code: str) -> None:
    shown = tea()
    made, digits = await sent(town, alice, shown)
    town.later(seconds=seconds)
    assert code_of(await town.write(sms.check_code, alice, made.id, shown, digits)) == code


async def test_ten_thousand_guesses_are_five(town: Town, alice: UUID) -> None:
    """S9: whoever guesses, from however many sessions; ten over all codes lock for an hour."""
    shown = tea()
    for n in range(2):
        code, digits = await sent(town, alice, shown)
        wrong = str((int(digits) + 1) % 10**6).zfill(6)
        for _ in range(4):
            assert code_of(await town.write(sms.check_code, alice, code.id, shown, wrong)) == "wrong_factor"
        if n == 0:
            assert (await town.sql("select ended_at from sms_code"))[0][0] is None
        assert code_of(await town.write(sms.check_code, alice, code.id, shown, "x")) == "wrong_factor"
        expected = ["wrong_factor", "too_many_tries"][n]
        town.later(seconds=60)
        if n == 1:
            assert code_of(await town.write(sms.check_code, alice, code.id, shown, digits)) == expected
    assert not any(row["sealed"] for row in await town.sql("select sealed from sms_code"))
    code, digits = await sent(town, alice, shown)
    assert code_of(await town.write(sms.check_code, alice, code.id, shown, digits)) == "too_many_tries"
    town.later(hours=1)
    code, digits = await sent(town, alice, shown)
    assert code_of(await town.write(sms.check_code, alice, code.id, shown, digits)) == "ok"


async def test_a_hundred_sessions_guess_no_more_than_one(town: Town, alice: UUID) -> None:
    """S9, C6: five on one code; ten over all, then nothing is judged."""
    shown = tea()
    code, digits = await sent(town, alice, shown)
    guesses = [f"{(int(digits) + 1 + n) % 10**6:06d}" for n in range(300)]
    answers = await asyncio.gather(
        *(town.write(sms.check_code, alice, code.id, shown, guess) for guess in guesses)
    )
    codes = [code_of(answer) for answer in answers]
    assert (codes.count("wrong_factor"), codes.count("too_many_tries")) == (10, 290)
    row = (await town.sql("select wrong, sealed, ended_at from sms_code"))[0]
    assert (row["wrong"], row["sealed"], row["ended_at"]) == (5, b"", town.clock.now())


async def test_a_fifth_wrong_one_ends_the_code(town: Town, alice: UUID) -> None:
    shown = tea()
    code, digits = await sent(town, alice, shown)
    for _ in range(5):
        await town.write(sms.check_code, alice, code.id, shown, "x")
    assert code_of(await town.write(sms.check_code, alice, code.id, shown, digits)) == "wrong_factor"


async def test_sending_again_ends_the_one_before_and_is_capped(town: Town, alice: UUID, bob: UUID) -> None:
    shown, other = tea(), tea()
    first, digits = await sent(town, alice, shown)
    assert code_of(await ask(town, alice, shown)) == "sms_too_often"
    town.later(seconds=60)
    aside, aside_digits = await sent(town, alice, other)
    town.later(seconds=60)
    second, again = await sent(town, alice, shown)
    assert code_of(await town.write(sms.check_code, alice, first.id, shown, digits)) == "wrong_factor"
    assert code_of(await town.write(sms.check_code, alice, second.id, shown, again)) == "ok"
    assert code_of(await town.write(sms.check_code, alice, aside.id, other, aside_digits)) == "ok"
    for _ in range(2):
        town.later(seconds=60)
        await sent(town, alice, shown)
    town.later(seconds=60)
    assert code_of(await ask(town, alice, tea())) == "sms_too_often"
    town.later(minutes=55)
    assert code_of(await ask(town, alice, tea())) == "ok"


@pytest.mark.parametrize(
    "sim",
    [{"verdict": "swapped"}, {"verdict": "unknown"}, {"phone": "+8613800138002"},
     {"at": datetime(2026, 11, 1, 23, 58, tzinfo=UTC)}, {"at": datetime(2026, 11, 2, 0, 1, tzinfo=UTC)}],
)  # fmt: skip
async def test_sms_is_no_factor_without_a_fresh_and_plain_no(town: Town, alice: UUID, sim: Any) -> None:
    """S13: swapped, unknown, another number's answer, an old one, one of tomorrow."""
    assert code_of(await ask(town, alice, tea(), **sim)) == "sms_not_trusted"
    assert not await town.sql("select 1 from sms_code")
    assert code_of(await ask(town, alice, tea())) == "ok"


@pytest.mark.parametrize(
    ("ending", "verdict", "reason"),
    [("01", "not_swapped", ""), ("90", "swapped", ""), ("91", "unknown", "IDENTIFIER_NOT_FOUND"),
     ("92", "unknown", "INTERNAL"), ("93", "unknown", "silent: ReadTimeout"), ("94", "not_swapped", ""),
     ("95", "not_swapped", ""), ("96", "unknown", ""), ("97", "unknown", "unreadable, status 200")],
)  # fmt: skip
async def test_the_operator_is_asked_and_believed_only_when_plain(
    plays: Any, ending: str, verdict: str, reason: str
) -> None:
    """S13."""
    played = MobileOperator("simulated", silent_seconds=0.6)
    operator = Operator(plays(played), token, timeout_seconds=0.3)
    phone, at = "+861380013" + "80" + ending, datetime.now(UTC)
    assert await operator.ask(phone, at) == SimCheck(phone, verdict, at, reason)  # type: ignore[arg-type]
    assert played.asked[0] == {"phoneNumber": phone, "maxAge": 72}
    await operator.close()


async def test_an_operator_that_is_away_or_answers_somebody_else_is_not_believed() -> None:
    at = datetime.now(UTC)
    answers = [httpx.Response(200, json={"swapped": False}, headers={"x-correlator": "other"}),
               httpx.Response(200, content=b"\xff"), httpx.Response(200, json={}),
               httpx.Response(502, text="<html>"), httpx.Response(200, json={"swapped": None}),
               httpx.Response(401, json={"status": 401, "code": "AUTH", "message": "no"})]  # fmt: skip
    operator = Operator("http://operator", token, transport=httpx.MockTransport(lambda _: answers.pop()))
    while answers:
        assert (await operator.ask(PHONE, at)).verdict == "unknown"
    gone = Operator("http://127.0.0.1:9", token, timeout_seconds=0.5)
    assert (await gone.ask(PHONE, at)).reason == "silent: ConnectError"
    for hours in (0, 2401):
        with pytest.raises(ValueError):
            await operator.ask(PHONE, at, hours)


@pytest.mark.parametrize(
    ("ago", "days", "verdict"),
    [(None, None, "unknown"), (None, 2, "unknown"), (None, 3, "not_swapped"), (72, None, "swapped"),
     (72.1, None, "not_swapped"), (1, 120, "swapped"), (-1, None, "swapped")],
)  # fmt: skip
async def test_a_date_is_read_within_what_was_watched(
    ago: float | None, days: int | None, verdict: str
) -> None:
    """S13: no date means no change only within the monitored period."""
    at = datetime(2026, 11, 2, tzinfo=UTC)
    changed = None if ago is None else at - timedelta(hours=ago)
    assert judge(changed, days, at, 72) == verdict
    assert judge(datetime(2020, 1, 1), None, at, 72) == "unknown"


async def carried(town: Town, gateway: SmsGateway, address: str, rounds: int = 4) -> list[str]:
    """Deliver until nothing is due; -> how the codes stand."""
    out = HttpGateway(address, "simulated", timeout_seconds=0.3)
    for _ in range(rounds):
        await deliver(town.book, out)
        town.later(seconds=31)
    await out.close()
    return [row["delivery"] for row in await town.sql("select delivery from sms_code order by id")]


@pytest.mark.parametrize(
    ("script", "delivery", "asked", "arrived"),
    [((), "sent", 1, 1), (("error",), "sent", 2, 1), (("lost",), "sent", 2, 1), (("delay",), "sent", 2, 1),
     (("drop",), "sent", 1, 0), (("duplicate",), "sent", 1, 2), (("refuse",), "failed", 1, 0),
     (("error", "error", "error"), "failed", 3, 0), (("error", "lost", "error"), "failed", 3, 1)],
)  # fmt: skip
async def test_a_gateway_may_misbehave(
    town: Town, alice: UUID, plays: Any, script: Any, delivery: str, asked: int, arrived: int
) -> None:
    gateway = SmsGateway("simulated", script, delay_seconds=0.6)
    await ask(town, alice, tea())
    assert await carried(town, gateway, plays(gateway)) == [delivery]
    assert (gateway.asked, len(gateway.arrived)) == (asked, arrived)
    assert all(message["to"] == PHONE for message in gateway.arrived)


async def test_nothing_is_sent_before_the_commit_nor_after_the_code_ended(
    town: Town, alice: UUID, plays: Any
) -> None:
    gateway = SmsGateway("simulated")
    address = plays(gateway)

    async def undone(turn: Any) -> None:
        await sms.send_code(turn, alice, tea(), "茶*", SimCheck(PHONE, "not_swapped", turn.at))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await town.write(undone)
    await ask(town, alice, tea())
    town.later(minutes=10)
    assert await carried(town, gateway, address) == ["waiting"]
    assert gateway.arrived == []


async def test_a_call_holds_nobodys_turn(town: Town, alice: UUID) -> None:
    """Commit, then call: while the gateway is called, others write."""
    await ask(town, alice, tea())

    class Nosy:
        async def send(self, id: str, phone: str, text: str) -> Any:
            async def look(turn: Any) -> str:
                row = await turn.connection.fetchrow("select delivery, sends from sms_code")
                return f"{row['delivery']} {row['sends']}"

            assert await town.write(look) == "sending 1"
            return "accepted"

    assert await deliver(town.book, Nosy()) == 1


async def test_what_is_kept_names_no_code(town: Town, alice: UUID) -> None:
    shown = tea()
    _, digits = await sent(town, alice, shown)
    stored = str(await town.sql("select * from sms_code")) + str(await town.sql("select * from event"))
    assert digits.encode() not in (await town.sql("select sealed from sms_code"))[0]["sealed"]
    assert digits not in re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|b'(?:[^'\\]|\\.)*'|microsecond=\d+", "", stored)
    town.later(days=2)
    await town.write(forget_old_factors)
    assert not await town.sql("select 1 from sms_code")


def test_the_seed_decides_what_goes_wrong() -> None:
    def play(seed: int) -> list[int]:
        gateway = SmsGateway("t", (), {"error": 0.3, "duplicate": 0.2}, seed)
        headers = {"authorization": "Bearer t"}
        body = [{"id": str(n), "to": PHONE, "text": "x"} for n in range(50)]
        return [gateway.answer(Asked("POST", "/messages", headers, one)).status for one in body]

    assert play(1) == play(1) != play(2)
    assert 5 < play(1).count(500) < 25


@pytest.mark.parametrize("name", ["sms_gateway", "mobile_operator"])
def test_both_run_as_processes(name: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", f"feiqian.simulator.{name}", "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout
        address = process.stdout.readline().strip()
        assert httpx.get(address + "/messages").status_code == 401
    finally:
        process.kill()
        process.wait()
