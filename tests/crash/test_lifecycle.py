"""One payment under random commands, against a model of its life: states, amounts and answers. C13."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feiqian.kernel.ids import new_id
from feiqian.payments import lapse
from feiqian.payments.worksheet import load_payments
from tests.crash.history import fee_of
from tests.street import Street, code_of

pytestmark = pytest.mark.anyio

HOLD_HOURS = 2


@dataclass
class Life:
    """What a payment of so much must be and say. hours: since it was authorised."""

    amount: int
    later: bool
    lapse: Literal["release", "capture"]
    state: str = "captured"
    held: int = 0
    captured: int = 0
    refunded: int = 0
    hours: float = 0
    refunds: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.later:
            self.state, self.held = "authorised", self.amount
        else:
            self.captured = self.amount

    @property
    def is_overdue(self) -> bool:
        return self.later and self.hours >= HOLD_HOURS

    def capture(self, amount: int | None, *, final: bool) -> str:
        if self.state != "authorised":
            return "wrong_state"
        if self.is_overdue and self.lapse == "release":
            return "hold_expired"
        amount = self.held if amount is None else amount
        if amount > self.held:
            return "over_capture"
        self.captured += amount
        self.held -= amount
        if final or self.held == 0:
            self.state, self.held = "captured", 0
        return "ok"

    def cancel(self) -> str:
        if self.state != "authorised":
            return "wrong_state"
        self.state, self.held = "captured" if self.captured else "voided", 0
        return "ok"

    def lapse_now(self) -> int:
        if self.state != "authorised" or not self.is_overdue:
            return 0
        if self.lapse == "capture":
            self.captured += self.held
        self.state, self.held = "captured" if self.captured else "voided", 0
        return 1

    def refund(self, number: int, amount: int | None) -> str:
        if number in self.refunds:
            return "ok" if amount in (None, self.refunds[number]) else "refund_reused"
        if self.state == "refunded":
            return "over_refund"
        if self.state != "captured":
            return "not_refundable"
        left = self.captured - self.refunded
        amount = left if amount is None else amount
        if amount > left:
            return "over_refund"
        self.refunds[number] = amount
        self.refunded += amount
        if self.refunded == self.captured:
            self.state = "refunded"
        return "ok"


AMOUNT = 1_000
amounts = st.one_of(st.none(), st.integers(1, AMOUNT + 1), st.sampled_from([1, AMOUNT - 1, AMOUNT]))
commands = st.one_of(
    st.tuples(st.just("capture"), amounts, st.booleans()),
    st.tuples(st.just("cancel")),
    st.tuples(st.just("refund"), st.integers(1, 4), amounts),
    st.tuples(st.just("lapse")),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 1, HOLD_HOURS])),
)


async def obey(street: Street, payment: Any, numbers: dict[int, Any], command: tuple[Any, ...]) -> str:
    """Give a command to the platform. -> "ok", the code of the refusal, or how many lapsed"""
    match command:
        case "capture", amount, final:
            return code_of(await street.capture(payment, amount, final=final))
        case ("cancel",):
            return code_of(await street.cancel(payment))
        case "refund", number, amount:
            return code_of(await street.refund(payment, amount, numbers.setdefault(number, new_id())))
        case ("lapse",):
            return str(await street.town.write(lapse, [payment.id]))
        case "wait", hours:
            street.town.later(hours=hours)
    return ""


def expected(life: Life, command: tuple[Any, ...]) -> str:
    """The same of the model."""
    match command:
        case "capture", amount, final:
            return life.capture(amount, final=final)
        case ("cancel",):
            return life.cancel()
        case "refund", number, amount:
            return life.refund(number, amount)
        case ("lapse",):
            return str(life.lapse_now())
        case "wait", hours:
            life.hours += hours
    return ""


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
@given(
    later=st.sampled_from([True, True, True, False]),
    at_the_end=st.sampled_from(["release", "capture"]),
    story=st.lists(commands, min_size=2, max_size=10),
)
async def test_a_payment_lives_as_the_model_says(
    street: Street, later: bool, at_the_end: Any, story: list[tuple[Any, ...]]
) -> None:
    """C13, I4: every state, amount, refusal, balance and fee after every command."""
    before = {name: await street.balance(name) for name in ("alice", "shop", "fees")}
    assert before["alice"][1] == before["shop"][1] == 0
    if later:
        payment = await street.hold(AMOUNT, hours=HOLD_HOURS, lapse=at_the_end)
    else:
        payment = await street.pay(AMOUNT)
    life, numbers = Life(AMOUNT, later, at_the_end), dict[int, Any]()
    # However a story ends, its hold ends with it.
    for command in [*story, ("wait", HOLD_HOURS), ("lapse",), ("refund", 5, None)]:
        assert await obey(street, payment, numbers, command) == expected(life, command), command
        now = (await street.town.read(load_payments, [payment.id]))[payment.id]
        shown = (now.state, now.held, now.captured, now.refunded)
        assert shown == (life.state, life.held, life.captured, life.refunded), command
        kept = life.captured - life.refunded
        fee = fee_of(kept)
        assert now.fee == fee
        posted, held = before["alice"][0] - kept, life.held
        if life.is_overdue and life.lapse == "release":
            held = 0  # an overdue hold counts as released before anybody releases it
        assert await street.balance("alice") == (posted, held), command
        assert (await street.balance("shop"))[0] == before["shop"][0] + kept - fee
        assert (await street.balance("fees"))[0] == before["fees"][0] + fee
    rows = await street.town.sql("select amount from payment where reverses = $1", payment.id)
    assert sorted(row["amount"] for row in rows) == sorted(life.refunds.values())
