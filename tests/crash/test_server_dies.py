"""The server is killed, at random or with its answers in mid-air; what was answered stands, and once."""

from __future__ import annotations

import asyncio
import os
import signal
from random import Random
from time import monotonic

import pytest

from tests.crash.history import Asked, History, Try
from tests.crash.load import cny, under_load
from tests.crash.oracle import check
from tests.crash.quarter import waiting_for_turn
from tests.crash.service import until

pytestmark = pytest.mark.anyio

KILLS = int(os.environ.get("FEIQIAN_TEST_SERVER_KILLS", "5"))
SEED = int(os.environ.get("FEIQIAN_TEST_SEED", "1"))


@pytest.mark.slow
async def test_a_server_killed_at_random_loses_and_doubles_nothing(history: History) -> None:
    """F1, I1, I2, I3, I4, I5: SIGKILL under mixed load, FEIQIAN_TEST_SERVER_KILLS times."""
    service, chance = history.quarter.service, Random(SEED)
    async with under_load(history, SEED):
        for _ in range(KILLS):
            answered = len(history.asked)

            async def busy(answered: int = answered) -> bool:
                return len(history.asked) > answered + 30

            await until(busy)
            await asyncio.sleep(chance.random() * 0.3)  # any moment will do, so chance chooses it
            await service.kill()
            await service.start()
        answered = len(history.asked)
        await until(busy)
    unanswered = [t for asked in history.asked for t in asked.tries if t.sent and t.answer is None]
    assert unanswered, "no kill met a request under way"
    print(f"F1: {KILLS} kills, {len(history.asked)} requests, {len(unanswered)} sent and not answered,")
    print(f"    {len(history.cut)} carried out although no answer came")


async def test_what_was_committed_without_an_answer_is_answered_to_the_repeat(history: History) -> None:
    """C4: a hundred deposits wait for one commit; the server dies right after it, most answers unsent."""
    quarter = history.quarter
    service, wallet = quarter.service, quarter.wallets[-1]
    cut: list[Asked] = []
    for round_ in range(10):
        wires = [service.wire(quarter.secret) for _ in range(100)]
        asked = [
            Asked("POST", "/v1/deposits", {"wallet": wallet, "amount": cny(n + 1), "reference": key}, key)
            for n, key in ((n, history.key()) for n in range(100))
        ]
        begun = monotonic()
        # While we hold the turn they gather, so that one commit carries all but the first.
        async with quarter.turn() as connection:
            for wire, each in zip(wires, asked, strict=True):
                await wire.send(each.method, each.path, each.body, each.key)
            await waiting_for_turn(quarter)
        while await connection.fetchval("select count(*) from request where key = $1", asked[-1].key) == 0:
            pass
        await service.kill()
        await connection.close()
        rows = await quarter.rows("select key from request")
        committed = {row["key"] for row in rows}
        for wire, each in zip(wires, asked, strict=True):
            try:
                each.tries.append(Try(begun, monotonic(), await wire.receive()))
            except (OSError, EOFError):
                each.tries.append(Try(begun, monotonic(), None))
            wire.hang_up()
        await service.start()
        wire = service.wire(quarter.secret)
        for each in asked:
            lost = each.tries[0].answer is None
            answer = await wire.ask(each.method, each.path, each.body, each.key)
            assert answer is not None
            assert answer.status == 201
            assert answer.is_replayed == (each.key in committed), (
                "committed is replayed, anything else is new"
            )
            assert lost or answer.raw == each.tries[0].answer.raw  # type: ignore[union-attr]
            each.tries.append(Try(monotonic(), monotonic(), answer))
            amount = each.body["amount"]["amount"]
            history.model.plain("deposit", answer.body, quarter.custody, wallet, amount)
            history.asked.append(each)
            if lost and each.key in committed:
                cut.append(each)
        wire.hang_up()
        await check(history)
        if cut:
            print(f"C4: {len(cut)} commits without an answer in round {round_ + 1}")
            return
    raise AssertionError("every commit was answered before the kill; the case did not occur")


async def test_a_stop_finishes_what_is_under_way(history: History) -> None:
    """SIGTERM: requests under way are answered, new ones find nobody, the exit code is 0, within seconds."""
    service = history.quarter.service
    async with under_load(history, SEED):

        async def busy() -> bool:
            return len(history.asked) > 50

        await until(busy)
        asked_at = monotonic()
        service.signal(signal.SIGTERM)
        assert await service.ended() == 0
        assert monotonic() - asked_at < 8
        await service.start()
    met = [t for asked in history.asked for t in asked.tries if t.begun < asked_at < t.ended]
    assert met
    assert all(t.answer is not None and t.answer.status < 500 for t in met), "requests under way are answered"
    assert not any(asked.was_cut and asked.tries[0] in met for asked in history.asked)
