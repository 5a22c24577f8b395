"""How a payment is shown: in the API, in events and in stored answers, always from the stored row."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from feiqian.kernel.ids import show
from feiqian.kernel.money import Money
from feiqian.payments.payment import Payment


class LegView(msgspec.Struct, frozen=True):
    """One movement of a payment. amount: agreed at most; taken: moved so far; returned: given back."""

    source: str
    target: str
    why: str
    amount: Money
    taken: Money
    returned: Money


class PaymentView(msgspec.Struct, frozen=True):
    """A payment. amount: what was asked; captured: what moved; fee: what the payee bears of it."""

    id: str
    object: Literal["payment", "refund"]
    kind: str
    state: str
    amount: Money
    held: Money
    captured: Money
    refunded: Money
    fee: Money
    payer: str
    payee: str
    legs: list[LegView]
    capture: Literal["now", "later"]
    hold_until: datetime | None
    payment: str | None
    refusal: dict[str, Any] | None
    refs: dict[str, str]
    business_date: date
    created_at: datetime


def show_payment(payment: Payment, *, whole: bool = False) -> PaymentView:
    """The public form of a payment or, when it reverses one, of a refund.

    whole: with the facts of a refusal, which tell what the payer spent elsewhere: not for payees.
    """
    refusal = payment.refusal
    if refusal is not None and not whole:
        refusal = {name: refusal[name] for name in ("code", "param") if name in refusal}

    def money(minor: int) -> Money:
        return Money(minor, payment.currency)

    refund = payment.reverses is not None
    return PaymentView(
        id=show("rfd" if refund else "pay", payment.id),
        object="refund" if refund else "payment",
        kind=payment.kind,
        state=payment.state,
        amount=money(payment.amount),
        held=money(payment.held),
        captured=money(payment.captured),
        refunded=money(payment.refunded),
        fee=money(payment.fee),
        payer=show("wal", payment.payer),
        payee=show("wal", payment.payee),
        legs=[
            LegView(
                show("wal", leg.source),
                show("wal", leg.target),
                leg.why,
                money(leg.amount),
                money(leg.taken),
                money(leg.returned),
            )
            for leg in payment.legs
        ],
        capture="now" if payment.capture == "now" else "later",
        hold_until=payment.hold_until,
        payment=_show(payment.reverses),
        refusal=refusal,
        refs=payment.refs,
        business_date=payment.business_on,
        created_at=payment.created_at,
    )


def _show(id: UUID | None) -> str | None:
    return None if id is None else show("pay", id)
