"""Payments: look at them, take what they hold, give it back, refund them."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from feiqian.access import ApiKey, owned_by
from feiqian.instruments.wallet import WalletClosed, WalletFrozen, WalletSuspended
from feiqian.kernel.errors import NotFound
from feiqian.kernel.ids import as_id, read, show
from feiqian.kernel.money import MAX_MINOR, Money
from feiqian.ledger import entries_of
from feiqian.ledger.chart import movement
from feiqian.payments import Capture, Payment, Refund
from feiqian.payments.capture import OverCapture
from feiqian.payments.find import page_of_payments, refunds_of, steps_of
from feiqian.payments.lifecycle import WrongState
from feiqian.payments.refund import NotRefundable, OverRefund, RefundReused
from feiqian.payments.submit import HoldExpired, InsufficientFunds
from feiqian.payments.view import PaymentView, show_payment
from feiqian.payments.worksheet import load_payments
from feiqian.web.api.shapes import (
    EndingBefore,
    IdempotencyKey,
    Limit,
    Line,
    Number,
    Page,
    StartingAfter,
    once,
    one_way,
    reads,
)
from feiqian.web.caller import book_of, key_of


class CaptureIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much to take of what is held: all of it when left out. final: give the rest back at once."""

    amount: Annotated[int, Meta(ge=1, le=MAX_MINOR, description="Minor units.")] | None = None
    final: bool = True


class CancelIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing to say."""


class RefundIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much to give back: all that is left when left out. refund_no: your own, once per payment."""

    refund_no: Number
    amount: Annotated[int, Meta(ge=1, le=MAX_MINOR, description="Minor units.")] | None = None
    reason: Line = ""


class StepView(msgspec.Struct, frozen=True):
    """One step in a payment's life. state: after it."""

    step: str
    state: str
    amount: Money | None
    detail: dict[str, Any]
    at: str


class EntryOfPayment(msgspec.Struct, frozen=True):
    """One movement in the ledger that belongs to the payment."""

    seq: int
    transfer: str
    movement: str
    amount: Money
    flags: int
    booked_at: str


class PaymentDetail(msgspec.Struct, frozen=True):
    """A payment with all that happened to it."""

    payment: PaymentView
    steps: list[StepView]
    entries: list[EntryOfPayment]
    refunds: list[PaymentView]


def see(key: ApiKey, payment: Payment | None) -> Payment:
    """The payment, if this key may see it. Raises: NotFound."""
    if payment is None:
        raise NotFound("payment")
    if key.merchant not in (payment.payee_owner, payment.payer_owner):
        owned_by(key, payment.payee_owner)
    return payment


def _shown(request: Request[Any, Any, Any], payment: Payment) -> PaymentView:
    return show_payment(payment, whole=key_of(request).merchant is None)


async def _mine(request: Request[Any, Any, Any], payment_id: str) -> Payment:
    id = as_id(read("pay", payment_id, "payment_id"))
    async with book_of(request).database.read() as connection:
        payment = (await load_payments(connection, [id])).get(id)
    if payment is not None and payment.reverses is not None:
        payment = None  # a refund goes by its own prefix
    return see(key_of(request), payment)


@get("/v1/payments", opt={"scope": "payments:read"}, tags=["payments"])
async def list_payments(
    request: Request[Any, Any, Any],
    limit: Limit = 20,
    starting_after: StartingAfter = None,
    ending_before: EndingBefore = None,
) -> Page[PaymentView]:
    """List payments, newest first. A merchant's key sees the merchant's own."""
    one_way(starting_after, ending_before)
    async with book_of(request).database.read() as connection:
        page, more = await page_of_payments(
            connection,
            key_of(request).merchant,
            limit,
            after=reads("pay", starting_after, "starting_after"),
            before=reads("pay", ending_before, "ending_before"),
        )
    return Page([_shown(request, payment) for payment in page], more)


@get("/v1/payments/{payment_id:str}", opt={"scope": "payments:read"}, tags=["payments"])
async def get_payment(request: Request[Any, Any, Any], payment_id: FromPath[str]) -> PaymentView:
    """See one payment."""
    return _shown(request, await _mine(request, payment_id))


@get("/v1/payments/{payment_id:str}/detail", opt={"scope": "payments:read"}, tags=["payments"])
async def get_payment_detail(request: Request[Any, Any, Any], payment_id: FromPath[str]) -> PaymentDetail:
    """See one payment with its steps, ledger entries and refunds."""
    payment = await _mine(request, payment_id)
    async with book_of(request).database.read() as connection:
        steps = await steps_of(connection, payment.id)
        entries = await entries_of(connection, payment.id)
        refunds = await refunds_of(connection, payment.id)

    def money(minor: int | None) -> Money | None:
        return None if minor is None else Money(minor, payment.currency)

    return PaymentDetail(
        payment=_shown(request, payment),
        steps=[
            StepView(
                s.step,
                s.state,
                money(s.amount),
                {} if s.step == "refused" else s.detail,  # the payment says why, to whom it concerns
                s.at.isoformat(),
            )
            for s in steps
        ],
        entries=[
            EntryOfPayment(
                e["seq"],
                show("trf", e["id"]),
                movement(e["code"]).name,
                Money(e["amount"], payment.currency),
                e["flags"],
                e["booked_at"].isoformat(),
            )
            for e in entries
        ],
        refunds=[_shown(request, refund) for refund in refunds],
    )


@post(
    "/v1/payments/{payment_id:str}/capture",
    opt={"scope": "payments:write", "refuses": (WrongState, HoldExpired, OverCapture)},
    tags=["payments"],
    status_code=200,
)
async def capture_payment(
    request: Request[Any, Any, Any],
    payment_id: FromPath[str],
    data: JSONBody[CaptureIn],
    idempotency_key: IdempotencyKey,
) -> Response[PaymentView]:
    """Take what a payment holds, or part of it; with `final: false` more may follow while the hold lasts."""
    payment = await _mine(request, payment_id)
    command = Capture(payment.id, data.amount, data.final)
    return await once(request, "capture", idempotency_key, data, command)


@post(
    "/v1/payments/{payment_id:str}/cancel",
    opt={"scope": "payments:write", "refuses": (WrongState, HoldExpired)},
    tags=["payments"],
    status_code=200,
)
async def cancel_payment(
    request: Request[Any, Any, Any],
    payment_id: FromPath[str],
    data: JSONBody[CancelIn],
    idempotency_key: IdempotencyKey,
) -> Response[PaymentView]:
    """Give back what a payment still holds. What was captured stays captured."""
    payment = await _mine(request, payment_id)
    return await once(request, "cancel", idempotency_key, data, payment.id)


@post(
    "/v1/payments/{payment_id:str}/refunds",
    opt={
        "scope": "refunds:write",
        "refuses": (
            NotRefundable,
            OverRefund,
            RefundReused,
            InsufficientFunds,
            WalletClosed,
            WalletSuspended,
            WalletFrozen,
        ),
    },
    tags=["refunds"],
)
async def refund_payment(
    request: Request[Any, Any, Any],
    payment_id: FromPath[str],
    data: JSONBody[RefundIn],
    idempotency_key: IdempotencyKey,
) -> Response[PaymentView]:
    """Refund a payment in part or in whole, to the wallet it came from."""
    payment = await _mine(request, payment_id)
    command = Refund(refund_id(payment.id, data.refund_no), payment.id, data.amount, data.reason)
    return await once(request, "refund", idempotency_key, data, command)


@get("/v1/payments/{payment_id:str}/refunds", opt={"scope": "payments:read"}, tags=["refunds"])
async def list_refunds(request: Request[Any, Any, Any], payment_id: FromPath[str]) -> Page[PaymentView]:
    """List a payment's refunds, oldest first."""
    payment = await _mine(request, payment_id)
    async with book_of(request).database.read() as connection:
        refunds = await refunds_of(connection, payment.id)
    return Page([_shown(request, refund) for refund in refunds], False)


@get("/v1/refunds/{refund_id:str}", opt={"scope": "payments:read"}, tags=["refunds"])
async def get_refund(request: Request[Any, Any, Any], refund_id: FromPath[str]) -> PaymentView:
    """See one refund."""
    id = as_id(read("rfd", refund_id, "refund_id"))
    async with book_of(request).database.read() as connection:
        refund = (await load_payments(connection, [id])).get(id)
    if refund is not None and refund.reverses is None:
        refund = None
    return _shown(request, see(key_of(request), refund))


def refund_id(payment: UUID, refund_no: str) -> UUID:
    """The id of a refund: the payment's and the caller's own number, so that one number is one refund."""
    digest = bytearray(hashlib.sha256(payment.bytes + refund_no.encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80  # UUIDv8, RFC 9562: the rest is ours
    digest[8] = digest[8] & 0x3F | 0x80
    return as_id(bytes(digest))


ROUTES = [
    list_payments,
    get_payment,
    get_payment_detail,
    capture_payment,
    cancel_payment,
    refund_payment,
    list_refunds,
    get_refund,
]
