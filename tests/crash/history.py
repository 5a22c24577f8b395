"""History: every request with its tries, and how each was answered in the end; and a plain model of it.

A request without an answer, or with a 503, is asked again with the same key until it is answered.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from tests.crash.quarter import RATE_BPS, Quarter
from tests.crash.service import said
from tests.crash.wire import Answer, Wire

ANSWERED_SECONDS_MAX = 90.0


@dataclass
class Try:
    """One time a request was tried. sent: somebody was there to hear it. answer: None when none came."""

    begun: float
    ended: float
    answer: Answer | None
    sent: bool = True


@dataclass
class Asked:
    """A request and its tries, the last of which was answered."""

    method: str
    path: str
    body: Any
    key: str | None
    tries: list[Try] = field(default_factory=list)

    @property
    def answer(self) -> Answer:
        """What was answered in the end."""
        answer = self.tries[-1].answer
        assert answer is not None
        return answer

    @property
    def was_cut(self) -> bool:
        """Whether it was carried out at a time when its answer did not come: the repeat says replayed."""
        return len(self.tries) > 1 and self.answer.is_replayed


class History:
    """What was asked of one book, and what must have become of it."""

    def __init__(self, quarter: Quarter) -> None:
        self.quarter = quarter
        self.asked: list[Asked] = []
        self.model = Model(quarter)
        self._n = 0

    def key(self) -> str:
        """A key nobody used."""
        self._n += 1
        return f"key-{self._n}"

    async def ask(self, wire: Wire, path: str, body: Any, key: str | None = None) -> Answer:
        """POST until answered. -> the answer"""
        asked = Asked("POST", path, body, key)
        end = monotonic() + ANSWERED_SECONDS_MAX
        while True:
            begun = monotonic()
            answer = await wire.ask("POST", path, body, key)
            asked.tries.append(Try(begun, monotonic(), answer, wire.sent))
            if answer is not None and answer.status != 503:
                break
            assert monotonic() < end, f"{path} was never answered; last: {said(answer)}"
            await asyncio.sleep(0.05)
        assert answer.status < 500, f"{path}: {said(answer)}"
        self.asked.append(asked)
        return answer

    @property
    def cut(self) -> list[Asked]:
        """Requests that were carried out at a time when their answer did not come."""
        return [asked for asked in self.asked if asked.was_cut]

    def first_answer(self, begun: float, ended: float) -> float | None:
        """When the first try was answered that was begun and answered after these moments."""
        ends = [
            t.ended
            for asked in self.asked
            for t in asked.tries
            if t.begun > begun and t.ended > ended and t.answer is not None and t.answer.status < 500
        ]
        return min(ends, default=None)


@dataclass
class Expected:
    """A payment as it must stand."""

    kind: str
    payer: str
    payee: str
    amount: int
    state: str = "captured"
    held: int = 0
    captured: int = 0
    refunded: int = 0
    fee: int = 0

    @property
    def row(self) -> tuple[Any, ...]:
        return (
            *(self.kind, self.payer, self.payee, self.state),
            *(self.amount, self.held, self.captured, self.refunded),
        )


class Model:
    """Balances and payments by plain arithmetic, moved on only by answers. Amounts in fen."""

    def __init__(self, quarter: Quarter) -> None:
        self._quarter = quarter
        self.posted: Counter[str] = Counter()
        self.held: Counter[str] = Counter()
        self.payments: dict[str, Expected] = {}
        self.refused: set[str] = set()  # payments that only note a refusal
        self.paid: dict[str, str] = {}  # order number to payment
        self.events: Counter[tuple[str, str]] = Counter()

    def note_refusal(self, answer: Answer) -> None:
        """A refusal moves nothing; some leave a payment in state refused."""
        if payment := answer.body.get("payment"):
            self.refused.add(payment.partition("_")[2])

    def _move(self, source: str, target: str, amount: int) -> None:
        self.posted[source] -= amount
        self.posted[target] += amount

    def pay(self, payment: dict[str, Any], amount: int, payer: str, order_no: str, *, later: bool) -> None:
        """A purchase was paid, or its price is held."""
        id = payment["id"].partition("_")[2]
        expected = Expected("shop", payer, self._quarter.shop, amount)
        assert self.paid.setdefault(order_no, id) == id, f"{order_no} was paid twice"
        assert id not in self.payments
        self.payments[id] = expected
        if later:
            expected.state, expected.held = "authorised", amount
            self.held[payer] += amount
            self.events[id, "payment.authorised"] += 1
        else:
            self._take(id, expected, amount)
        self.agrees(payment)

    def _take(self, id: str, expected: Expected, amount: int) -> None:
        expected.captured += amount
        expected.state = "captured"
        fee = fee_of(expected.captured)
        self._move(expected.payer, expected.payee, amount)
        self._move(expected.payee, self._quarter.fees, fee - expected.fee)
        expected.fee = fee
        self.events[id, "payment.captured"] += 1

    def capture(self, payment: dict[str, Any], amount: int) -> None:
        """A part was taken from a hold, and the rest given back."""
        id = payment["id"].partition("_")[2]
        expected = self.payments[id]
        self.held[expected.payer] -= expected.held
        expected.held = 0
        self._take(id, expected, amount)
        self.agrees(payment)

    def cancel(self, payment: dict[str, Any]) -> None:
        """A hold was given back."""
        id = payment["id"].partition("_")[2]
        expected = self.payments[id]
        self.held[expected.payer] -= expected.held
        expected.held, expected.state = 0, "voided"
        self.events[id, "payment.cancelled"] += 1
        self.agrees(payment)

    def refund(self, payment: str, refund: dict[str, Any], amount: int) -> None:
        """A part was given back, with the fee on it."""
        of = self.payments[payment.partition("_")[2]]
        of.refunded += amount
        of.state = "refunded" if of.refunded == of.captured else "captured"
        fee = fee_of(of.captured - of.refunded)
        self._move(self._quarter.fees, of.payee, of.fee - fee)
        self._move(of.payee, of.payer, amount)
        of.fee = fee
        self.plain("refund", refund, of.payee, of.payer, amount)

    def plain(self, kind: str, payment: dict[str, Any], payer: str, payee: str, amount: int) -> None:
        """A transfer, a deposit or a refund, done at once and without a fee."""
        id = payment["id"].partition("_")[2]
        assert id not in self.payments
        self.payments[id] = Expected(kind, payer, payee, amount, captured=amount)
        if kind != "refund":
            self._move(payer, payee, amount)
        self.events[id, "refund.succeeded" if kind == "refund" else "payment.captured"] += 1
        self.agrees(payment)

    def agrees(self, payment: dict[str, Any]) -> None:
        """The answer says what the model says."""
        expected = self.payments[payment["id"].partition("_")[2]]
        amounts = (payment[name]["amount"] for name in ("amount", "held", "captured", "refunded"))
        shown = (payment["kind"], payment["payer"], payment["payee"], payment["state"], *amounts)
        assert shown == expected.row


def fee_of(amount: int) -> int:
    """The house's share, half a fen going up."""
    return (amount * RATE_BPS + 5_000) // 10_000
