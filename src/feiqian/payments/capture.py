"""Capture: take what was held, whole or less, at once or bit by bit while the hold lasts."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec

from feiqian.kernel.book import Turn
from feiqian.kernel.errors import NotFound, Refused
from feiqian.kernel.ids import new_id
from feiqian.ledger import Transfer, movement
from feiqian.ledger.transfer import POST, VOID
from feiqian.payments.lifecycle import after
from feiqian.payments.payment import PaidLeg, Payment
from feiqian.payments.submit import Answer, HoldExpired, hold, offer, settle
from feiqian.payments.worksheet import Worksheet, load_payments, open_worksheet


class OverCapture(Refused):
    """This is nothing, or more than is still held. Capture something, and no more than that."""

    code, status, zh = "over_capture", 422, "请款金额须大于零，且不超过剩余冻结金额。"


class Capture(msgspec.Struct, frozen=True):
    """Take from a hold. amount: minor units, None for all that is held. final: give the rest back."""

    payment: UUID
    amount: int | None = None
    final: bool = True


async def capture(turn: Turn, captures: Sequence[Capture]) -> list[Answer]:
    """Take from holds, in order. -> the payment as it then stands, or why not, per capture."""
    payments = await load_payments(turn.connection, [each.payment for each in captures])
    sheet = await open_worksheet(turn, (), list(payments.values()))
    answers: list[Answer] = []
    for each in captures:
        payment = payments.get(each.payment)
        try:
            if payment is None:
                raise NotFound("payment")
            take(sheet, payment, each)
            answers.append(payment.copy())  # later captures in this batch change the payment further
        except Refused as refusal:
            answers.append(refusal)
    await sheet.write()
    return answers


def take(sheet: Worksheet, payment: Payment, asked: Capture, step: str = "captured") -> None:
    """Decide one capture and note it on the sheet. step: what the last capture is called.

    Raises: Refused, with nothing noted.
    """
    after(payment.state, step)
    if payment.hold_until is not None and sheet.at >= payment.hold_until and payment.lapse == "release":
        raise HoldExpired(held_until=payment.hold_until.isoformat())
    amount = payment.held if asked.amount is None else asked.amount
    if not 0 < amount <= payment.held:
        raise OverCapture("amount", held=payment.held, asked=amount)
    for leg in payment.giving:
        sheet.wallets[leg.target].check_takes()
    final = asked.final or amount == payment.held
    shares = _shares(payment, amount)
    taken = {leg.n: leg.taken + shares.get(leg.n, 0) for leg in payment.legs}
    for leg in payment.legs:
        if leg.why == "fee":
            taken[leg.n] = _fee_due(sheet, payment, leg, taken)
    fresh: dict[int, UUID | None] = {}
    offer(sheet, _transfers(sheet, payment, taken, fresh, final=final))

    rest = payment.held - amount
    for leg in payment.legs:
        leg.taken = taken[leg.n]
        leg.hold = fresh.get(leg.n, leg.hold)
    payment.held = 0 if final else rest
    if not final:
        payment.captured += amount
        sheet.step(payment, "part_captured", amount)
        sheet.tell(payment, "payment.part_captured")
        return
    give_back_usage(sheet, payment, rest)
    settle(sheet, payment, amount, step)


def give_back_usage(sheet: Worksheet, payment: Payment, amount: int, *, whole: bool = False) -> None:
    """Let limits forget what was held and never taken."""
    if amount:
        scopes = payment.counted.split()
        sheet.counting.take_back(
            payment.payer_owner, scopes, payment.currency, amount, payment.counted_on, whole=whole
        )


def _shares(payment: Payment, amount: int) -> dict[int, int]:
    """Fill the giving legs in their order."""
    shares = {}
    for leg in payment.giving:
        shares[leg.n] = min(amount, leg.amount - leg.taken)
        amount -= shares[leg.n]
    return shares


def _fee_due(sheet: Worksheet, payment: Payment, leg: PaidLeg, taken: dict[int, int]) -> int:
    """The fee on all taken so far, so that many captures cost what one would."""
    base = sum(taken[other.n] for other in payment.legs if other.feeds(leg))
    contract = sheet.terms[leg.contract]
    return min(contract.fee(base, payment.counted_on), leg.amount)


def _transfers(
    sheet: Worksheet,
    payment: Payment,
    taken: dict[int, int],
    fresh: dict[int, UUID | None],
    *,
    final: bool,
) -> list[Transfer]:
    """End each hold with what is taken; hold the rest anew unless this was the last capture.

    fresh: filled with the holds that then stand, by leg.
    """
    transfers = []
    for leg in payment.legs:
        share = taken[leg.n] - leg.taken
        if leg.hold is None:
            if share:
                transfers.append(_move(sheet, payment, leg, share))
            continue
        rest = leg.amount - taken[leg.n]
        if not share and not final:
            continue
        transfers.append(
            Transfer(
                id=new_id(),
                amount=share,
                flags=POST if share else VOID,
                pending_id=leg.hold,
                payment=payment.id,
            )
        )
        fresh[leg.n] = None
        if rest and not final:
            fresh[leg.n] = id = new_id()
            source, target = sheet.wallets[leg.source], sheet.wallets[leg.target]
            transfers.append(hold(sheet, payment, leg, id, rest, source, target))
    return transfers


def _move(sheet: Worksheet, payment: Payment, leg: PaidLeg, amount: int) -> Transfer:
    return Transfer(
        id=new_id(),
        debit=sheet.wallets[leg.source].account_key,
        credit=sheet.wallets[leg.target].account_key,
        amount=amount,
        code=movement(leg.why).code,
        payment=payment.id,
    )
