"""Judge: compares what the tables say of one payment, or of one answer, and names what does not agree."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec

from feiqian.kernel.errors import NotFound
from feiqian.kernel.ids import read, show
from feiqian.ledger.chart import movement
from feiqian.payments.lifecycle import WrongState, after

Invariant = Literal["I1", "I2", "I3", "I4", "I5"]


Way = tuple[int | None, int | None, int]
"""From which account, to which, by which kind of movement; None for a wallet that is not there."""


class Fault(NamedTuple):
    """Something that does not hold. text: with ids, never with names."""

    invariant: Invariant
    text: str


class PaymentRow(NamedTuple):
    """Of table payment."""

    id: UUID
    kind: str
    subject: UUID
    state: str
    currency: str
    amount: int
    held: int
    captured: int
    refunded: int
    payer: UUID
    reverses: UUID | None
    capture: str
    hold_until: datetime | None


class LegRow(NamedTuple):
    """Of table leg. debit_key, credit_key: accounts of its wallets, None when there is no such wallet."""

    payment: UUID
    n: int
    source: UUID
    target: UUID
    amount: int
    why: str
    taken: int
    returned: int
    hold: UUID | None
    debit_key: int | None
    credit_key: int | None


class StepRow(NamedTuple):
    """Of table payment_step."""

    payment: UUID
    n: int
    step: str
    state: str
    amount: int | None
    at: datetime


class PurchaseRow(NamedTuple):
    """Of table purchase."""

    id: UUID
    state: str
    currency: str
    amount: int
    payment: UUID | None


class Around(NamedTuple):
    """All that other tables say of a payment.

    moved: minor units by way, 0 for mere holds. holds:
    amount of each open hold, None for those that time has ended. refunds: sum of its refunds. returned:
    what refunds moved back, by source and target of the leg they turn round.
    """

    legs: list[LegRow]
    steps: list[StepRow]
    moved: Mapping[Way, int]
    holds: Mapping[UUID, int | None]
    events: list[tuple[str, datetime]]
    refunds: int
    returned: Mapping[tuple[UUID, UUID], int]
    purchases: list[PurchaseRow]


_CAPTURED = ("payment.captured", "refund.succeeded")
_TOLD: dict[str, tuple[str, str]] = {  # by step: what is told of a payment, and of a refund
    "refused": ("payment.refused", "refund.refused"),
    "part_captured": ("payment.part_captured", ""),
    "captured": _CAPTURED,
    "lapsed_captured": _CAPTURED,
    "rest_released": _CAPTURED,
    "voided": ("payment.cancelled", ""),
    "lapsed": ("payment.lapsed", ""),
    "part_refunded": ("payment.refunded", ""),
    "refunded": ("payment.refunded", ""),
}


def judge_payment(payment: PaymentRow, around: Around) -> Iterator[Fault]:
    """Everything in which a payment and the rest of the book do not agree."""
    name = show("pay" if payment.reverses is None else "rfd", payment.id)
    for text in _amounts(payment, around):
        yield Fault("I4", f"{name}: {text}")
    for text in _legs(payment, around):
        yield Fault("I4", f"{name}: {text}")
    for text in _life(payment, around):
        yield Fault("I4", f"{name}: {text}")
    if payment.kind == "shop":
        for text in _purchase(payment, around.purchases):
            yield Fault("I4", f"{name}: {text}")
    if payment.state == "refused" and (around.moved or around.legs):
        yield Fault("I5", f"{name}: was refused and has left entries in the ledger")
    for text in _told(payment, around):
        yield Fault("I5", f"{name}: {text}")


def _amounts(payment: PaymentRow, around: Around) -> Iterator[str]:
    if payment.captured + payment.held > payment.amount:
        yield f"captured {payment.captured} and held {payment.held} of {payment.amount} authorised"
    if payment.refunded > payment.captured:
        yield f"refunded {payment.refunded} of {payment.captured} captured"
    if payment.refunded != around.refunds:
        yield f"says {payment.refunded} is refunded, its refunds add up to {around.refunds}"
    giving = [leg for leg in around.legs if leg.source == payment.payer]
    if payment.reverses is not None:  # the fee that is given back comes from the house
        giving = [leg for leg in around.legs if leg.why == "refund"]
    if payment.state != "refused" and sum(leg.amount for leg in giving) != payment.amount:
        yield f"its legs do not add up to {payment.amount}"
    if sum(leg.taken for leg in giving) != payment.captured:
        yield f"its legs have not taken {payment.captured}"
    if sum(leg.returned for leg in giving) != payment.refunded:
        yield f"its legs have not returned {payment.refunded}"
    if sum(leg.amount - leg.taken for leg in giving if leg.hold is not None) != payment.held:
        yield f"its legs do not hold {payment.held}"


def _legs(payment: PaymentRow, around: Around) -> Iterator[str]:
    """Each leg against the ledger: taken, returned, still held."""
    taken: dict[Way, int] = defaultdict(int)
    returned: dict[tuple[UUID, UUID], int] = defaultdict(int)
    for leg in around.legs:
        if not 0 <= leg.returned <= leg.taken <= leg.amount:
            yield f"leg {leg.n} has taken {leg.taken} of {leg.amount} and returned {leg.returned}"
        taken[leg.debit_key, leg.credit_key, movement(leg.why).code] += leg.taken
        returned[leg.source, leg.target] += leg.returned
        if leg.hold is not None:
            held = around.holds.get(leg.hold, 0)
            # One that time has ended stays named until the payment's own timer rings.
            if held != leg.amount - leg.taken and not (held is None and leg.hold in around.holds):
                yield f"leg {leg.n} holds {leg.amount - leg.taken}, the ledger {held or 0}"
    for key in taken.keys() | around.moved.keys():
        ours, theirs = taken.get(key, 0), around.moved.get(key, 0)
        if ours != theirs:
            yield f"legs have taken {ours} from account {key[0]} to {key[1]}, the ledger moved {theirs}"
    for pair in returned.keys() | around.returned.keys():
        if returned.get(pair, 0) != around.returned.get(pair, 0):
            yield f"a leg says {returned.get(pair, 0)} was returned, refunds {around.returned.get(pair, 0)}"
    named = {leg.hold for leg in around.legs}
    for id, amount in around.holds.items():
        if amount is not None and id not in named:
            yield f"{amount} is held in the ledger for no leg"


def _life(payment: PaymentRow, around: Around) -> Iterator[str]:
    """The steps, one by one, through the table of states."""
    state, sums = "created", Counter[str]()
    for n, step in enumerate(around.steps, 1):
        try:
            state = after(state, step.step)
        except WrongState:
            yield f"step {step.n} {step.step} is not possible from {state}"
            return
        if (step.n, step.state) != (n, state):
            yield f"step {step.n} {step.step} leads to {state}, it says {step.state}"
            return
        sums[step.step] += step.amount or 0
    if state != payment.state:
        yield f"is {payment.state}, its steps lead to {state}"
    if sums["captured"] + sums["part_captured"] + sums["lapsed_captured"] != payment.captured:
        yield f"its steps have not captured {payment.captured}"
    if sums["part_refunded"] + sums["refunded"] != payment.refunded:
        yield f"its steps have not refunded {payment.refunded}"


def _purchase(payment: PaymentRow, purchases: list[PurchaseRow]) -> Iterator[str]:
    """A payment at a shop is for one purchase, and that purchase is paid by it and by no other."""
    own = [purchase for purchase in purchases if purchase.id == payment.subject]
    paid = [purchase for purchase in purchases if purchase.payment == payment.id]
    if not own and payment.state == "refused" and not paid:
        return  # at a stand nobody rings up: a purchase is written down once it is paid
    if len(own) != 1:
        yield f"its purchase {show('pur', payment.subject)} is not there"
        return
    (purchase,) = own
    if (purchase.currency, purchase.amount) != (payment.currency, payment.amount):
        yield f"pays {payment.amount}, its purchase {show('pur', purchase.id)} is {purchase.amount}"
    if payment.state == "refused":
        if paid:
            yield f"was refused, and {show('pur', paid[0].id)} is paid by it"
    elif purchase.payment != payment.id or purchase.state != "paid":
        yield f"has paid {show('pur', purchase.id)}, which says otherwise: it is paid twice or not at all"
    if len(paid) > 1:
        yield f"pays {len(paid)} purchases"


def _told(payment: PaymentRow, around: Around) -> Iterator[str]:
    is_refund = payment.reverses is not None
    expected = Counter[tuple[str, datetime]]()
    for step in around.steps:
        type = _TOLD.get(step.step, ("", ""))[is_refund]
        if step.step == "authorised" and payment.capture == "later":
            type = "payment.authorised"
        if type:
            expected[type, step.at] += 1
    told = Counter(around.events)
    for type, at in expected.keys() - told.keys():
        yield f"{type} of {at.isoformat()} was never told"
    for (type, at), times in told.items():
        # Steps of one turn are told together, as the payment stands after the last of them.
        if times > expected[type, at]:
            yield f"{type} of {at.isoformat()} was told {times} times and happened {expected[type, at]}"


class Answer(NamedTuple):
    """What a stored answer names. payment, purchase: as ids; amount: of the payment; key: the request's."""

    key: str
    is_refused: bool
    payment: UUID | None
    purchase: UUID | None
    amount: int | None


class Unreadable(ValueError):
    """A stored answer is not what this house answers."""


def read_answer(key: str, status: int, body: bytes) -> Answer:
    """What an answer names. Raises: Unreadable."""
    try:
        said = msgspec.json.decode(body)
        if status >= 400:
            named = said.get("payment")
            return Answer(key, True, None if named is None else read("pay", named), None, None)
        kind, purchase = said.get("object"), None
        shown: Any = said
        if kind == "purchase":
            purchase, shown = read("pur", said["id"]), said["payment"]
        elif kind not in ("payment", "refund"):
            return Answer(key, False, None, None, None)
        if shown is None:
            return Answer(key, False, None, purchase, None)
        prefix = "rfd" if shown["object"] == "refund" else "pay"
        return Answer(key, False, read(prefix, shown["id"]), purchase, shown["amount"]["amount"])
    except (msgspec.DecodeError, NotFound, KeyError, TypeError, AttributeError) as error:
        raise Unreadable(key) from error


class Named(NamedTuple):
    """A payment that an answer names. has_moved: the ledger knows it."""

    id: UUID
    state: str
    amount: int
    has_moved: bool


def judge_answers(
    answers: Iterable[Answer], payments: Mapping[UUID, Named], purchases: Mapping[UUID, UUID | None]
) -> Iterator[Fault]:
    """Answers against what exists. purchases: the payment that paid each."""
    for answer in answers:
        for text in _answer(answer, payments, purchases):
            yield Fault("I5", f"the answer to {answer.key!r} {text}")


def _answer(
    answer: Answer, payments: Mapping[UUID, Named], purchases: Mapping[UUID, UUID | None]
) -> Iterator[str]:
    if answer.purchase is not None:
        if answer.purchase not in purchases:
            yield f"names {show('pur', answer.purchase)}, which is not there"
        elif answer.payment is not None and purchases[answer.purchase] != answer.payment:
            yield f"says that {show('pur', answer.purchase)} is paid by another payment than it is"
    if answer.payment is None:
        return
    payment, name = payments.get(answer.payment), answer.payment.hex
    if payment is None:
        yield f"names payment {name}, which is not there"
    elif answer.is_refused:
        if payment.state != "refused" or payment.has_moved:
            yield f"refused payment {name}, which is {payment.state} and moved money"
    elif payment.state == "refused" or payment.amount != answer.amount:
        yield f"said {answer.amount} by payment {name}, which is {payment.state} over {payment.amount}"
