"""The same request again: over one key, over two, at once, later, and when the key is long forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from feiqian.kernel.registry import Registry
from feiqian.web.once import KEPT_FOR, forget_old
from feiqian.wiring import SCHEMAS
from tests.crash.conftest import on_disk
from tests.crash.load import cny
from tests.crash.quarter import Quarter, settle, waiting_for_turn
from tests.crash.service import Service, said
from tests.crash.wire import Answer

pytestmark = pytest.mark.anyio


class Desk:
    """Asks once and expects an answer."""

    def __init__(self, quarter: Quarter, secret: str | None = None) -> None:
        self.quarter = quarter
        self.wire = quarter.service.wire(secret or quarter.secret)

    async def ask(self, path: str, body: Any, key: str | None) -> Answer:
        answer = await self.wire.ask("POST", path, body, key)
        assert answer is not None
        return answer

    async def done(self, path: str, body: Any, key: str | None) -> dict[str, Any]:
        answer = await self.ask(path, body, key)
        assert answer.is_ok, said(answer)
        result: dict[str, Any] = answer.body
        return result

    async def payments(self) -> int:
        rows = await self.quarter.rows("select count(*) from payment where state <> 'refused'")
        return int(rows[0][0])


@pytest.fixture(scope="module")
async def quarter() -> AsyncIterator[Quarter]:
    """One quarter for all these tests, each with keys and numbers of its own."""
    with on_disk() as folder:
        service = Service(folder)
        try:
            quarter = await settle(service)
            await service.start()
            yield quarter
        finally:
            await service.close()


async def test_fifty_at_once_and_fifty_in_turn_are_one(quarter: Quarter) -> None:
    """C1: one effect, and every answer the same, byte for byte, but one of them not marked as replayed."""
    desk, body = Desk(quarter), {"wallet": quarter.wallets[0], "amount": cny(7), "reference": "fifty"}
    before = await desk.payments()
    desks = [Desk(quarter) for _ in range(50)]
    answers = await asyncio.gather(*(each.ask("/v1/deposits", body, "fifty") for each in desks))
    answers += [await desk.ask("/v1/deposits", body, "fifty") for _ in range(50)]
    assert {(answer.status, answer.raw) for answer in answers} == {(201, answers[0].raw)}
    assert [answer.is_replayed for answer in answers].count(False) == 1
    assert all(answer.is_replayed for answer in answers[50:])
    assert await desk.payments() == before + 1


def changed(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The body with each of its fields changed in turn, also inside of amounts."""
    found = []
    for name, value in body.items():
        if isinstance(value, dict):
            found += [{**deepcopy(dict(body)), name: inner} for inner in changed(value)]
            continue
        if isinstance(value, bool):
            other: Any = not value
        elif isinstance(value, int):
            other = value + 1
        else:
            last = "8" if value.endswith("9") else "9"
            other = OTHER.get(name, value[:-1] + last)  # as long as before, so that ids still look like ids
        found.append({**deepcopy(dict(body)), name: other})
    return found


OTHER = {"currency": "USD", "capture": "later", "check": "two_factors"}


async def test_a_key_is_for_one_request(quarter: Quarter) -> None:
    """C2: any field changed, or another route: 422 that names the key, and no effect."""
    desk, q = Desk(quarter), quarter
    shop = {"store": q.store, "amount": cny(500), "description": "tea", "metadata": {"table": "4"}}
    code = q.phones[0].code()
    held = await desk.done(
        "/v1/purchases",
        {**shop, "merchant_order_no": "hold", "capture": "later", "payment_code": q.phones[0].code()},
        "hold",
    )
    open_ = await desk.done("/v1/purchases", {**shop, "merchant_order_no": "open"}, "open")
    paid = await desk.done(
        "/v1/purchases", {**shop, "merchant_order_no": "paid", "payment_code": q.phones[2].code()}, "paid"
    )
    payee = await desk.done("/v1/payees", {"payer": q.wallets[0], "phone": q.numbers[1]}, None)
    capture, refund = (f"/v1/payments/{each['payment']['id']}" for each in (held, paid))
    requests: dict[str, dict[str, Any]] = {
        "/v1/purchases": {
            **{**shop, "merchant_order_no": "now", "payment_code": code, "capture": "now"},
            "hold_seconds": 60,
            "open_seconds": 60,
        },
        "/v1/payments": {"payer": q.wallets[1], "code": open_["code"], "amount": cny(500), "check": "signed"},
        "/v1/transfers": {"payer": q.wallets[0], "payee": payee["id"], "amount": cny(5), "note": "hi"},
        "/v1/deposits": {"wallet": q.wallets[0], "amount": cny(5), "reference": "r"},
        f"{capture}/capture": {"amount": 10, "final": False},
        f"{refund}/refunds": {"refund_no": "1", "amount": 10, "reason": "cold"},
    }
    for path, body in requests.items():
        first = await desk.ask(path, body, "K-" + path)
        assert first.is_ok, said(first)
    before = await desk.payments()
    for path, body in requests.items():
        for other in changed(body):
            answer = await desk.ask(path, other, "K-" + path)
            assert (answer.status, answer.code) == (422, "idempotency_key_reused"), (other, said(answer))
            assert answer.body["param"] == "Idempotency-Key"
            assert not answer.is_replayed
        for elsewhere in requests.keys() - {path}:
            answer = await desk.ask(elsewhere, requests[elsewhere], "K-" + path)
            assert (answer.status, answer.code) == (422, "idempotency_key_reused")
        again = await desk.ask(path, dict(reversed(body.items())), "K-" + path)
        assert again.is_replayed, "the order of fields says nothing"
    assert await desk.payments() == before


async def test_keys_of_two_principals_never_meet(quarter: Quarter) -> None:
    """C3: the same key text from two API keys is two requests, each answered with its own."""
    mine, other = Desk(quarter), Desk(quarter, quarter.other_secret)
    bodies = [
        {"wallet": quarter.wallets[n], "amount": cny(n + 1), "reference": f"meet-{n}"} for n in range(2)
    ]
    answers = [
        await desk.ask("/v1/deposits", body, "meet") for desk, body in zip((mine, other), bodies, strict=True)
    ]
    assert [(a.status, a.is_replayed) for a in answers] == [(201, False), (201, False)]
    assert answers[0].body["id"] != answers[1].body["id"]
    for desk, body, answer in zip((mine, other), bodies, answers, strict=True):
        again = await desk.ask("/v1/deposits", body, "meet")
        assert (again.raw, again.is_replayed) == (answer.raw, True)


async def test_a_repeat_waits_for_the_first(quarter: Quarter) -> None:
    """C6: both meet while the turn is held from outside; one is carried out, the other hears of it."""
    first, second = Desk(quarter), Desk(quarter)
    body = {"wallet": quarter.wallets[0], "amount": cny(7), "reference": "wait"}
    before = await first.payments()
    async with quarter.turn() as connection:
        asking = asyncio.create_task(first.ask("/v1/deposits", body, "wait"))
        await waiting_for_turn(quarter)
        asking_again = asyncio.create_task(second.ask("/v1/deposits", body, "wait"))
        done, _ = await asyncio.wait([asking, asking_again], timeout=0.3)
        assert not done, "none is answered before the turn is theirs"
    await connection.close()
    answers = [await asking, await asking_again]
    assert [(a.status, a.is_replayed) for a in answers] == [(201, False), (201, True)]
    assert answers[0].raw == answers[1].raw
    assert await first.payments() == before + 1


@pytest.fixture
async def sandbox(disk: Path) -> AsyncIterator[Quarter]:
    """The quarter in a book whose clock can be moved."""
    service = Service(disk)
    try:
        quarter = await settle(service, "sandbox")
        await service.start()
        yield quarter
    finally:
        await service.close()


async def test_a_forgotten_key_pays_nothing_twice(sandbox: Quarter) -> None:
    """C7: 36 days later the keys are gone; order number, refund number, receipt and payee still stand."""
    desk, q = Desk(sandbox), sandbox
    registry = Registry(q.service.postgres.dsn, SCHEMAS)
    book = await registry.open(await registry.book("town"), 2)
    order = {"store": q.store, "amount": cny(500), "merchant_order_no": "N1"}
    paid = await desk.done("/v1/purchases", {**order, "payment_code": q.phones[0].code()}, "pay")
    refunds = f"/v1/payments/{paid['payment']['id']}/refunds"
    refund = {"refund_no": "1", "amount": 100}
    refunded = await desk.done(refunds, refund, "refund")
    receipt = {"wallet": q.wallets[0], "amount": cny(5), "reference": "r"}
    deposited = await desk.done("/v1/deposits", receipt, "deposit")
    payee = await desk.done("/v1/payees", {"payer": q.wallets[0], "phone": q.numbers[1]}, None)
    transfer = {"payer": q.wallets[0], "payee": payee["id"], "amount": cny(5)}
    sent = await desk.done("/v1/transfers", transfer, "send")
    assert (await desk.done("/v1/transfers", transfer, "send-once-more"))["id"] == sent["id"]
    before = await desk.payments()

    at = await book.advance(KEPT_FOR + timedelta(days=1))
    await book.write(forget_old)
    assert await q.rows("select from request") == []
    try:
        code = q.phones[0].code(at)
        answer = await desk.ask("/v1/purchases", {**order, "payment_code": code}, "pay")
        assert (answer.status, answer.is_replayed) == (201, False)
        assert answer.body["payment"]["id"] == paid["payment"]["id"]
        answer = await desk.ask(refunds, refund, "refund")
        assert (answer.status, answer.is_replayed) == (201, False)
        assert answer.body["id"] == refunded["id"]
        answer = await desk.ask("/v1/deposits", receipt, "deposit")
        assert (answer.status, answer.is_replayed) == (201, False)
        assert answer.body["id"] == deposited["id"]
        answer = await desk.ask("/v1/transfers", transfer, "send")
        assert answer.code == "payee_expired"
        assert await desk.payments() == before
    finally:
        await book.database.close()
