"""Refund: an order that reverses a payment, to the original means and never above what was taken."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec

from feiqian.kernel.book import Turn
from feiqian.kernel.errors import NotFound, Refused
from feiqian.kernel.ids import show
from feiqian.kernel.money import Money
from feiqian.payments.payment import PaidLeg, Payment
from feiqian.payments.submit import Answer, moving, offer, refuse, settle
from feiqian.payments.worksheet import Worksheet, load_payments, open_worksheet


class OverRefund(Refused):
    """This is more than is left of the payment. Refund no more than that."""

    code, status, zh = "over_refund", 422, "退款金额超过该支付单的可退余额。"


class NotRefundable(Refused):
    """Only what was captured for a merchant can be refunded, and a refund cannot be refunded itself."""

    code, status, zh = "not_refundable", 409, "只有已完成的商户收款可以退款，退款本身不能再退。"


class RefundReused(Refused):
    """This refund was asked for before with another payment or amount. Nothing was changed."""

    code, status, zh = "refund_reused", 409, "该退款号已用于其他支付或金额，本次未做任何更改。"


class Refund(msgspec.Struct, frozen=True):
    """Give back. id: the refund's own, chosen by who asks. amount: minor units, None for all that is left."""

    id: UUID
    payment: UUID
    amount: int | None = None
    reason: str = ""


async def refund(turn: Turn, refunds: Sequence[Refund]) -> list[Answer]:
    """Carry refunds out, in order. -> the refund's own payment, or why there is none, per refund."""
    known = await load_payments(turn.connection, [each.id for each in refunds])
    payments = await load_payments(turn.connection, [each.payment for each in refunds])
    sheet = await open_worksheet(turn, (), list(payments.values()), counted=False)
    answers: list[Answer] = []
    for each in refunds:
        try:
            answers.append(
                _again(known[each.id], each) if each.id in known else _refund(sheet, payments, each)
            )
        except Refused as refusal:
            answers.append(refusal)
            continue
        answer = answers[-1]
        if isinstance(answer, Payment) and each.id not in known:
            known[each.id] = answer
            if answer.state != "refused":
                ids = show("rfd", each.id), show("pay", each.payment)
                given = Money(answer.amount, answer.currency)
                turn.note("refund.made", *ids, of=each.id, after={"amount": given})
    await sheet.write()
    return answers


def _again(known: Payment, asked: Refund) -> Payment:
    if known.reverses != asked.payment or asked.amount not in (None, known.amount):
        raise RefundReused("amount")
    return known


def _refund(sheet: Worksheet, payments: dict[UUID, Payment], asked: Refund) -> Payment:
    payment = payments.get(asked.payment)
    if payment is None:
        raise NotFound("payment")
    if payment.reverses is not None or payment.state != "captured":
        if payment.state == "refunded":
            raise OverRefund("amount", left=0)
        raise NotRefundable(state=payment.state)
    if sheet.wallets[payment.payee].kind != "merchant_payable":
        # What a person received is theirs; a deposit goes back by a withdrawal.
        raise NotRefundable(kind=payment.kind)
    amount = payment.refundable if asked.amount is None else asked.amount
    if not 0 < amount <= payment.refundable:
        raise OverRefund("amount", left=payment.refundable, asked=amount)
    back = _back(sheet, payment, amount)
    reverse = _reverse(sheet, payment, asked, amount, back)
    sheet.add(reverse)
    try:
        sheet.wallets[payment.payee].check_gives()
        sheet.wallets[payment.payer].check_takes()
        offer(sheet, moving(sheet, reverse))
    except Refused as refusal:
        refuse(sheet, reverse, refusal)
        return reverse
    for leg in reverse.legs:
        leg.taken = leg.amount
    sheet.step(reverse, "authorised", amount)
    settle(sheet, reverse, amount)
    for leg in payment.legs:
        leg.returned += back[leg.n]
    payment.refunded += amount
    sheet.step(payment, "refunded" if payment.refundable == 0 else "part_refunded", amount)
    sheet.tell(payment, "payment.refunded")
    return reverse


def _back(sheet: Worksheet, payment: Payment, amount: int) -> dict[int, int]:
    """What each leg gives back, in minor units: giving legs by what is left of them, to the last unit;
    fees as the contract says, recomputed on what remains."""
    giving = [leg for leg in payment.giving if leg.taken > leg.returned]
    shares = Money(amount, payment.currency).split([leg.taken - leg.returned for leg in giving])
    back = {leg.n: 0 for leg in payment.legs}
    back |= {leg.n: share.minor for leg, share in zip(giving, shares, strict=True)}
    for leg in payment.legs:
        if leg.contract is None:
            continue
        contract = sheet.terms[leg.contract]
        if contract.terms.on_refund == "return":
            kept = sum(g.taken - g.returned - back[g.n] for g in payment.legs if g.feeds(leg))
            due = min(contract.fee(kept, payment.counted_on), leg.taken - leg.returned)
            back[leg.n] = leg.taken - leg.returned - due
    return back


def _reverse(sheet: Worksheet, payment: Payment, asked: Refund, amount: int, back: dict[int, int]) -> Payment:
    """The refund's own payment: every leg turned round, fees first so that the payee can give all back."""
    turned = sorted((leg for leg in payment.legs if back[leg.n]), key=lambda leg: leg.contract is None)
    legs = [
        PaidLeg(n, leg.target, leg.source, back[leg.n], "refund" if leg.contract is None else "fee_refund")
        for n, leg in enumerate(turned, 1)
    ]
    return Payment(
        id=asked.id,
        kind="refund",
        subject=asked.id,
        state="created",
        currency=payment.currency,
        amount=amount,
        held=0,
        captured=0,
        refunded=0,
        payer=payment.payee,
        payer_owner=payment.payee_owner,
        payee=payment.payer,
        payee_owner=payment.payer_owner,
        reverses=payment.id,
        capture="now",
        lapse="release",
        hold_until=None,
        counted="",
        counted_on=sheet.turn.local_day,
        fulfil=None,
        refusal=None,
        refs={"reason": asked.reason} if asked.reason else {},
        fingerprint=payment.id.bytes,
        business_on=sheet.turn.business_day,
        created_at=sheet.at,
        legs=legs,
    )
