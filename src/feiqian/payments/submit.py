"""Submit: carry a batch of orders out. Every order gets an answer; a refusal stops no neighbour."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from feiqian.instruments.wallet import Wallet, WalletNotFound
from feiqian.kernel.book import Turn
from feiqian.kernel.errors import Broken, Refused, keep
from feiqian.kernel.ids import new_id
from feiqian.kernel.money import CurrencyMismatch, Money
from feiqian.ledger import Result, Transfer, journal, movement
from feiqian.ledger.transfer import PENDING
from feiqian.payments.gates import Asking, ask
from feiqian.payments.order import Leg, Order
from feiqian.payments.payment import PaidLeg, Payment
from feiqian.payments.worksheet import Worksheet, load_payments, open_worksheet, queries

HOLD_MAX = timedelta(days=30)


class SameWallet(Refused):
    """Payer and payee are the same wallet. Choose another payee."""

    code, status, zh = "same_wallet", 422, "付款方与收款方是同一个钱包，请更换收款方。"


class InsufficientFunds(Refused):
    """There is not enough money in the wallet that pays. Top up, or use another wallet."""

    code, status, zh = "insufficient_funds", 422, "付款钱包余额不足，请先充值或换一个钱包。"


class SubjectReused(Refused):
    """This has been ordered before with other content. Nothing was changed."""

    code, status, zh = "subject_reused", 409, "该事项已用不同内容下过支付单，本次未做任何更改。"


class AmountTooLarge(Refused):
    """The account cannot hold an amount this large."""

    code, status, zh = "amount_too_large", 422, "金额超出账户可记录的范围。"


Answer = Payment | Refused
"""A payment, perhaps in state refused; or the reason why there is none at all."""


class HoldExpired(Refused):
    """The hold is over and its money released. Make a new payment."""

    code, status, zh = "hold_expired", 409, "预授权已过期，冻结金额已释放，请重新发起支付。"


_REFUSALS: dict[Result, type[Refused]] = {
    Result.EXCEEDS_CREDITS: InsufficientFunds,
    Result.EXCEEDS_DEBITS: InsufficientFunds,
    Result.OVERFLOWS_DEBITS: AmountTooLarge,
    Result.OVERFLOWS_CREDITS: AmountTooLarge,
    Result.PENDING_TRANSFER_EXPIRED: HoldExpired,  # swept by a clock that was ahead of ours
}


async def submit(turn: Turn, orders: Sequence[Order]) -> list[Answer]:
    """Carry orders out in this turn, in order. -> an answer per order.

    The same order again, by kind and subject, gets the payment it became; another order with the
    same kind and subject is refused with SubjectReused. Works on any number of orders with the same
    handful of statements.
    """
    before = await _before(turn, orders)
    sheet = await open_worksheet(
        turn,
        (wallet for order in orders for leg in order.legs for wallet in (leg.source, leg.target)),
        currencies={leg.amount.currency for order in orders for leg in order.legs},
    )
    answers: list[Answer] = []
    for order in orders:
        known = before.get((order.kind, order.subject))
        if known is None:
            answer = _carry_out(sheet, order)
            if isinstance(answer, Payment) and answer.state != "refused":
                before[order.kind, order.subject] = answer
        else:
            same = known.fingerprint == order.fingerprint()
            answer = known if same else SubjectReused(kind=order.kind)
        answers.append(answer)
    await sheet.write()
    return answers


async def _before(turn: Turn, orders: Sequence[Order]) -> dict[tuple[str, UUID], Payment]:
    rows = await queries.by_subject(
        turn.connection,
        kinds=[order.kind for order in orders],
        subjects=[order.subject for order in orders],
    )
    payments = await load_payments(turn.connection, [row["id"] for row in rows])
    return {(payment.kind, payment.subject): payment for payment in payments.values()}


def _carry_out(sheet: Worksheet, order: Order) -> Answer:
    try:
        payment = _draft(sheet, order)
    except Refused as refusal:
        return refusal
    sheet.add(payment)
    try:
        _authorise(sheet, order, payment)
    except Refused as refusal:
        refuse(sheet, payment, refusal)
        return payment
    return payment


def _draft(sheet: Worksheet, order: Order) -> Payment:
    """The payment an order would become. Raises: Refused when the order makes no sense at all."""
    first = order.legs[0]
    for leg in order.legs:
        _check_leg(sheet, order, leg)
    payer, payee = sheet.wallets[first.source], sheet.wallets[first.target]
    if any(leg.source != first.source for leg in order.legs):
        # Captures and refunds know one payer; who passes money on makes an order of its own.
        raise Broken(order=order.kind, several_payers=True)
    total = sum(leg.amount.minor for leg in order.legs)
    legs = [PaidLeg(n, g.source, g.target, g.amount.minor, g.why) for n, g in enumerate(order.legs, 1)]
    hold_for = None
    if order.capture == "later":
        hold_for = HOLD_MAX if order.hold_for is None else min(order.hold_for, HOLD_MAX)
    return Payment(
        id=new_id(),
        kind=order.kind,
        subject=order.subject,
        state="created",
        currency=first.amount.currency,
        amount=total,
        held=0,
        captured=0,
        refunded=0,
        payer=payer.id,
        payer_owner=payer.owner,
        payee=payee.id,
        payee_owner=payee.owner,
        reverses=None,
        capture=order.capture,
        lapse=order.lapse,
        hold_until=None if hold_for is None else sheet.at + hold_for,
        counted="",
        counted_on=sheet.turn.local_day,
        fulfil=order.fulfil,
        refusal=None,
        refs=order.refs,
        fingerprint=order.fingerprint(),
        business_on=sheet.turn.business_day,
        created_at=sheet.at,
        legs=legs + _fees(sheet, order.legs, len(legs)),
    )


def _check_leg(sheet: Worksheet, order: Order, leg: Leg) -> None:
    source, target = sheet.wallets.get(leg.source), sheet.wallets.get(leg.target)
    if source is None:
        raise WalletNotFound("payer")
    if target is None:
        raise WalletNotFound("payee")
    if source.id == target.id:
        raise SameWallet("payee")
    if {source.currency, target.currency, order.legs[0].amount.currency} != {leg.amount.currency}:
        raise CurrencyMismatch("amount.currency", payer=source.currency, payee=target.currency)


def _fees(sheet: Worksheet, legs: Sequence[Leg], n: int) -> list[PaidLeg]:
    """The fee legs that merchants' contracts add, one per merchant paid."""
    paid: dict[UUID, int] = {}
    for leg in legs:
        if sheet.wallets[leg.target].kind == "merchant_payable" and leg.why == "price":
            paid[leg.target] = paid.get(leg.target, 0) + leg.amount.minor
    fees = []
    for wallet_id, amount in paid.items():
        wallet = sheet.wallets[wallet_id]
        contract = sheet.terms.get((wallet.owner, wallet.currency))
        charged = contract.fee(amount, sheet.turn.local_day) if contract else 0
        if contract and charged:
            n += 1
            fees.append(PaidLeg(n, wallet_id, contract.fee_wallet, charged, "fee", contract=contract.id))
    return fees


def _authorise(sheet: Worksheet, order: Order, payment: Payment) -> None:
    """Ask the wallets, the gates and the ledger, in this order. Raises: Refused by the first no."""
    payer = sheet.wallets[payment.payer]
    payer.check_gives()
    for leg in payment.legs:
        sheet.wallets[leg.target].check_takes()
    asking = Asking(order, payer, Money(payment.amount, payment.currency), sheet.counting)
    ask(asking)
    offer(sheet, _holding(sheet, payment) if order.capture == "later" else moving(sheet, payment))
    scopes = asking.scopes
    payment.counted = " ".join(scopes)
    sheet.counting.add(payer.owner, scopes, payment.currency, payment.amount)
    gates = {"gates": dict.fromkeys(order.gates, "passed")}
    sheet.step(payment, "authorised", payment.amount, gates)
    if order.capture == "later":
        payment.held = payment.amount
        assert payment.hold_until is not None
        sheet.outbox.do("payments.lapse", payment.hold_until, payment.id)
        sheet.tell(payment, "payment.authorised")
    else:
        for leg in payment.legs:
            leg.taken = leg.amount
        settle(sheet, payment, payment.amount)


def _holding(sheet: Worksheet, payment: Payment) -> list[Transfer]:
    transfers = []
    for leg in payment.giving:
        leg.hold = new_id()
        transfers.append(
            hold(
                sheet,
                payment,
                leg,
                leg.hold,
                leg.amount,
                sheet.wallets[leg.source],
                sheet.wallets[leg.target],
            )
        )
    return transfers


def hold(
    sheet: Worksheet, payment: Payment, leg: PaidLeg, id: UUID, amount: int, source: Wallet, target: Wallet
) -> Transfer:
    """A hold for what a leg may still take. A payment that captures when it lapses must not lose it."""
    left = (
        payment.hold_until - sheet.at if payment.hold_until and payment.lapse == "release" else timedelta(0)
    )
    return Transfer(
        id=id,
        debit=source.account_key,
        credit=target.account_key,
        amount=amount,
        code=movement(leg.why).code,
        flags=PENDING,
        timeout=-(-left // timedelta(seconds=1)),  # rounds up: the payment's own moment decides
        payment=payment.id,
    )


def moving(sheet: Worksheet, payment: Payment) -> list[Transfer]:
    """Transfers for all legs at once."""
    return [
        Transfer(
            id=new_id(),
            debit=sheet.wallets[leg.source].account_key,
            credit=sheet.wallets[leg.target].account_key,
            amount=leg.amount,
            code=movement(leg.why).code,
            payment=payment.id,
        )
        for leg in payment.legs
    ]


def offer(sheet: Worksheet, transfers: Sequence[Transfer]) -> None:
    """Have the ledger judge a journal. Raises: Refused when it says no; Broken when it must not have."""
    for verdict in sheet.pen.offer(journal(transfers)):
        if verdict not in (Result.OK, Result.LINKED_EVENT_FAILED):
            if verdict in _REFUSALS:
                raise _REFUSALS[verdict]("payer")
            raise Broken(ledger=verdict.value)


def settle(sheet: Worksheet, payment: Payment, amount: int, step: str = "captured") -> None:
    """What follows when the last of a payment has been taken."""
    payment.captured += amount
    sheet.step(payment, step, amount)
    tell_captured(sheet, payment)


def tell_captured(sheet: Worksheet, payment: Payment) -> None:
    """Announce a captured payment and set its fulfilment going."""
    sheet.tell(payment, "payment.captured" if payment.reverses is None else "refund.succeeded")
    if payment.fulfil is not None:
        sheet.outbox.do(payment.fulfil, sheet.at, payment.id)


def refuse(sheet: Worksheet, payment: Payment, refusal: Refused) -> None:
    """Note why an order is refused; it leaves nothing but this note."""
    payment.legs = []
    payment.hold_until = None
    payment.refusal = keep(refusal)
    sheet.step(payment, "refused", None, payment.refusal)
    sheet.tell(payment, "payment.refused" if payment.reverses is None else "refund.refused")
