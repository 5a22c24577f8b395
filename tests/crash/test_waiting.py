"""Held locks and an empty pool: a bounded wait, a clear no with a time to come back, and no half effects."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from tests.crash.history import History
from tests.crash.load import cny
from tests.crash.quarter import waiting_for_turn
from tests.crash.service import said
from tests.crash.wire import Answer

pytestmark = pytest.mark.anyio

PATIENCE = 2.0  # seconds, as the quarter is served


async def test_a_held_turn_is_waited_for_and_then_refused(history: History) -> None:
    """F6: another session holds the book's turn: 503 with Retry-After, nothing done, reads go on."""
    quarter = history.quarter
    service, wallet = quarter.service, quarter.wallets[0]
    amounts = {f"k{n}": n + 1 for n in range(12)}
    bodies = {key: {"wallet": wallet, "amount": cny(n), "reference": key} for key, n in amounts.items()}
    wires = {key: service.wire(quarter.secret) for key in bodies}
    other = service.wire(quarter.secret)
    assert (await other.ask("GET", "/v1/me")) is not None

    async def timed(method: str, path: str) -> tuple[int, float]:
        began = monotonic()
        answer = await other.ask(method, path)
        assert answer is not None
        return answer.status, monotonic() - began

    async def patient(key: str) -> tuple[Answer | None, float]:
        began = monotonic()
        return await wires[key].ask("POST", "/v1/deposits", bodies[key], key), monotonic() - began

    async with quarter.turn() as connection:
        asking = [asyncio.create_task(patient(key)) for key in bodies]
        await waiting_for_turn(quarter)
        for path in ("/healthz", "/v1/me", "/readyz", "/v1/payments"):
            status, took = await timed("GET", path)
            assert status == 200
            assert took < 1, path
        answers = [await each for each in asking]
        for answer, took in answers:
            assert answer is not None
            assert (answer.status, answer.code) == (503, "unavailable"), said(answer)
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.body["retryable"] is True
            # One batch waits for the turn, those behind it for that batch; on a busy machine some
            # requests are read late and wait for one more.
            assert PATIENCE * 0.9 < took < 3 * PATIENCE + 2
    await connection.close()
    assert await quarter.rows("select from request") == []
    for key, body in bodies.items():
        done = await history.ask(wires[key], "/v1/deposits", body, key)
        assert (done.status, done.is_replayed) == (201, False)
        history.model.plain("deposit", done.body, quarter.custody, wallet, amounts[key])


async def test_an_empty_pool_is_waited_for_and_then_refused(history: History) -> None:
    """F6: every connection waits for the turn: who needs one hears 503 in time, who needs none is served."""
    quarter = history.quarter
    service = quarter.service
    lookup = {"payer": quarter.wallets[0], "phone": quarter.numbers[1]}
    wires = [service.wire(quarter.secret) for _ in range(10)]  # as many as the pool has
    other = service.wire(quarter.secret)
    assert (await other.ask("GET", "/v1/me")) is not None
    async with quarter.turn() as connection:
        asking = [asyncio.create_task(wire.ask("POST", "/v1/payees", lookup)) for wire in wires]
        await waiting_for_turn(quarter, 9)  # one of the ten may still listen to the keys
        began = monotonic()
        alive = await service.wire().ask("GET", "/healthz")
        assert alive is not None
        assert alive.status == 200
        assert monotonic() - began < 1
        began = monotonic()
        answer = await other.ask("GET", "/v1/payments")
        assert monotonic() - began < 2 * PATIENCE + 1
        assert answer is not None
        assert answer.status in (200, 503)  # the first of the ten may have given up in time
        for each in asking:
            refused = await each
            assert refused is not None
            assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    await connection.close()
    assert await quarter.rows("select from payee") == []
    for wire in wires:
        assert (await history.ask(wire, "/v1/payees", lookup)).is_ok
