"""Release: give a hold back, because somebody asked (cancel) or because its time is up (lapse)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from feiqian.kernel.book import Turn
from feiqian.kernel.errors import Broken, NotFound, Refused
from feiqian.kernel.ids import new_id, show
from feiqian.kernel.logs import logger
from feiqian.ledger import Result, Transfer
from feiqian.ledger.transfer import VOID
from feiqian.payments.capture import Capture, give_back_usage, take
from feiqian.payments.lifecycle import after
from feiqian.payments.payment import Payment
from feiqian.payments.submit import Answer, tell_captured
from feiqian.payments.worksheet import Worksheet, load_payments, open_worksheet, queries

log = logger("payments")

OVERDUE_MOST = 500


async def lapse_overdue(turn: Turn) -> int:
    """End holds whose timer never rang or failed. -> how many of them, at most OVERDUE_MOST."""
    rows = await queries.overdue(turn.connection, at=turn.at, most=OVERDUE_MOST)
    return await lapse(turn, [row["id"] for row in rows])


async def cancel(turn: Turn, ids: Sequence[UUID]) -> list[Answer]:
    """Give back what is still held. What was captured stays captured. -> an answer per id."""
    payments = await load_payments(turn.connection, ids)
    sheet = await open_worksheet(turn, (), list(payments.values()))
    answers: list[Answer] = []
    for id in ids:
        payment = payments.get(id)
        try:
            if payment is None:
                raise NotFound("payment")
            after(payment.state, "voided")
            _release(sheet, payment, "voided", "payment.cancelled")
            answers.append(payment.copy())
        except Refused as refusal:
            answers.append(refusal)
    await sheet.write()
    return answers


async def lapse(turn: Turn, ids: Sequence[UUID]) -> int:
    """End the holds whose time is up, as each order said: release or capture. -> how many.

    Those already ended, or not yet due, are left alone: the timer may ring twice.
    """
    payments = await load_payments(turn.connection, ids)
    due = [
        payment
        for payment in payments.values()
        if payment.state == "authorised" and payment.hold_until and payment.hold_until <= turn.at
    ]
    if not due:
        return 0
    sheet = await open_worksheet(turn, (), due)
    for payment in due:
        try:
            if payment.lapse == "capture":
                take(sheet, payment, Capture(payment.id), "lapsed_captured")
                continue
        except Refused as refusal:
            # Nobody may be paid any more, for instance: then the payer has the money back.
            log.warning("lapse_released", payment=show("pay", payment.id), error_code=refusal.code)
        _release(sheet, payment, "lapsed", "payment.lapsed")
    await sheet.write()
    return len(due)


def _release(sheet: Worksheet, payment: Payment, step: str, event: str) -> None:
    for leg in payment.legs:
        if leg.hold is None:
            continue
        void = Transfer(id=new_id(), flags=VOID, pending_id=leg.hold, payment=payment.id)
        (verdict,) = sheet.pen.offer([void])
        # The ledger may have released an overdue hold before us; released is what we wanted.
        if verdict not in (Result.OK, Result.PENDING_TRANSFER_EXPIRED):
            raise Broken(ledger=verdict.value)
        leg.hold = None
    rest, payment.held = payment.held, 0
    give_back_usage(sheet, payment, rest, whole=payment.captured == 0)
    if payment.captured:
        sheet.step(payment, "rest_released", rest, {"because": step})
        tell_captured(sheet, payment)
    else:
        sheet.step(payment, step, rest)
        sheet.tell(payment, event)
