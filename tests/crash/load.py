"""Load: clients who do a bit of everything, each one thing after another, from one seed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from tests.crash.history import History
from tests.crash.wire import Answer, Wire


def cny(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "CNY"}


class Client:
    """Somebody at a till, at a phone or in the back office."""

    def __init__(self, history: History, chance: Random) -> None:
        self.history = history
        self.quarter = history.quarter
        self.chance = chance
        self.wire: Wire = self.quarter.service.wire(self.quarter.secret)

    async def ask(self, path: str, body: Any, key: str | None = None) -> Answer:
        """Ask until answered, sometimes once more: the same is then answered, byte for byte."""
        key = key or self.history.key()
        answer = await self.history.ask(self.wire, path, body, key)
        if self.chance.random() < 0.1:
            again = await self.history.ask(self.wire, path, body, key)
            assert (again.status, again.raw, again.is_replayed) == (answer.status, answer.raw, True)
        if not answer.is_ok:
            self.history.model.note_refusal(answer)
        return answer

    async def step(self) -> None:
        """One piece of business."""
        acts = (self.charge, self.charge, self.hold, self.scan, self.transfer, self.deposit, self.refused)
        await self.chance.choice(acts)()

    async def charge(self, *, later: bool = False) -> dict[str, Any] | None:
        """The cashier scans a phone; the payment, unless no phone has a fresh code or it came too late."""
        phone = self.chance.choice(self.quarter.phones)
        code = phone.code()
        if code is None:
            return None
        amount, number = self.chance.randint(1, 5_000), self.history.key()
        body: dict[str, Any] = {"store": self.quarter.store, "merchant_order_no": number}
        body["amount"] = cny(amount)
        if later:
            body |= {"capture": "later", "hold_seconds": 86_400}
        answer = await self.ask("/v1/purchases", {**body, "payment_code": code})
        if not answer.is_ok:
            assert answer.code == "code_expired", answer.raw  # it waited too long for its answer
            return None
        payment: dict[str, Any] = answer.body["payment"]
        self.history.model.pay(payment, amount, phone.wallet, number, later=later)
        if self.chance.random() < 0.2 and (fresh := phone.code()):
            # The cashier asks once more for the same order number, with another key and another code.
            again = await self.ask("/v1/purchases", {**body, "payment_code": fresh})
            assert (again.status, again.body["payment"]["id"]) == (201, payment["id"]), again.raw
        if not later and self.chance.random() < 0.3:
            await self.refund(payment, amount)
        return payment

    async def hold(self) -> None:
        """A hold, and its end."""
        payment = await self.charge(later=True)
        if payment is None:
            return
        path, amount, end = f"/v1/payments/{payment['id']}", payment["amount"]["amount"], self.chance.random()
        if end < 0.3:
            self.history.model.cancel((await self.done(f"{path}/cancel", {})).body)
        elif end < 0.8:
            over = await self.ask(f"{path}/capture", {"amount": amount + 1})
            assert over.code == "over_capture"
            part = self.chance.randint(1, amount)
            taken = await self.done(f"{path}/capture", {"amount": part})
            self.history.model.capture(taken.body, part)
            await self.refund(payment, part)

    async def refund(self, payment: dict[str, Any], captured: int) -> None:
        """A part back, then too much."""
        path = f"/v1/payments/{payment['id']}/refunds"
        part = self.chance.randint(1, captured)
        answer = await self.done(path, {"refund_no": "1", "amount": part})
        self.history.model.refund(payment["id"], answer.body, part)
        over = await self.ask(path, {"refund_no": "2", "amount": captured - part + 1})
        assert over.code == "over_refund"

    async def scan(self) -> None:
        """The customer scans what the shop shows; a second customer comes too late."""
        amount, number = self.chance.randint(1, 5_000), self.history.key()
        body = {"store": self.quarter.store, "merchant_order_no": number, "amount": cny(amount)}
        code = (await self.done("/v1/purchases", body)).body["code"]
        payer, other = self.chance.sample(self.quarter.wallets[:-1], 2)
        answer = await self.done("/v1/payments", {"payer": payer, "code": code, "check": "signed"})
        self.history.model.pay(answer.body["payment"], amount, payer, number, later=False)
        late = await self.ask("/v1/payments", {"payer": other, "code": code, "check": "signed"})
        assert late.code == "code_already_paid"

    async def transfer(self, most: int = 5_000) -> None:
        """Person to person."""
        n, m = self.chance.sample(range(len(self.quarter.wallets) - 1), 2)
        payer, payee, amount = self.quarter.wallets[n], self.quarter.wallets[m], self.chance.randint(1, most)
        shown = await self.history.ask(
            self.wire, "/v1/payees", {"payer": payer, "phone": self.quarter.numbers[m]}
        )
        assert shown.is_ok, shown.raw
        body = {"payer": payer, "payee": shown.body["id"], "amount": cny(amount)}
        answer = await self.ask("/v1/transfers", body)
        if answer.is_ok:
            self.history.model.plain("transfer", answer.body, payer, payee, amount)
        else:
            assert answer.code in ("insufficient_funds", "over_limit"), answer.raw

    async def deposit(self) -> None:
        """Money comes in; the bank tells it twice."""
        wallet, amount = self.chance.choice(self.quarter.wallets[:-1]), self.chance.randint(1, 5_000)
        body = {"wallet": wallet, "amount": cny(amount), "reference": self.history.key()}
        answer = await self.done("/v1/deposits", body)
        self.history.model.plain("deposit", answer.body, self.quarter.custody, wallet, amount)
        again = await self.done("/v1/deposits", body)
        assert again.body["id"] == answer.body["id"]

    async def refused(self) -> None:
        """Somebody with an empty wallet tries to send."""
        payer = self.quarter.wallets[-1]
        shown = await self.history.ask(
            self.wire, "/v1/payees", {"payer": payer, "phone": self.quarter.numbers[0]}
        )
        answer = await self.ask(
            "/v1/transfers", {"payer": payer, "payee": shown.body["id"], "amount": cny(5)}
        )
        assert answer.code in ("insufficient_funds", "over_limit"), answer.raw

    async def done(self, path: str, body: Any) -> Answer:
        """Ask for what must be done."""
        answer = await self.ask(path, body)
        assert answer.is_ok, (path, body, answer.raw)
        return answer


@asynccontextmanager
async def under_load(history: History, seed: int, clients: int = 12) -> AsyncIterator[list[Client]]:
    """Clients at work while the block runs; at its end each finishes its piece of business."""
    crowd = [Client(history, Random(f"{seed} {n}")) for n in range(clients)]
    going = True

    async def work(client: Client) -> None:
        while going:
            await client.step()

    async with asyncio.TaskGroup() as group:
        for client in crowd:
            group.create_task(work(client))
        try:
            yield crowd
        finally:
            going = False
    for client in crowd:
        client.wire.hang_up()
