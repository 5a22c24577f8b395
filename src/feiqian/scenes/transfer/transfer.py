"""Person to person: money goes to a name that was shown, never straight to a number that was typed.

`look_up` turns a phone number into a payee: a masked name and an id that is good for a while and
only for the wallet that asked. `send` pays a payee. What is sent cannot be sent to somebody whose
name the sender has not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import msgspec

from feiqian.instruments.wallet import WalletNotFound, resolve
from feiqian.kernel.book import Turn
from feiqian.kernel.errors import Refused
from feiqian.kernel.ids import new_id, show
from feiqian.kernel.mask import mask_name
from feiqian.kernel.money import Money
from feiqian.kernel.queries import load
from feiqian.payments import Leg, Order, Payment, submit

queries = load(Path(__file__).parent)

SHOWN_FOR = timedelta(minutes=10)


class NoReceiver(Refused):
    """Nobody can receive at this phone number in this currency. Check the number."""

    code, status, zh = "no_receiver", 404, "该手机号暂时无法收款，请核对号码。"


class PayeeExpired(Refused):
    """The name was shown too long ago, or to another wallet. Look the payee up again."""

    code, status, zh = "payee_expired", 422, "收款人确认已过期，请重新查询并核对姓名。"


class Lookup(msgspec.Struct, frozen=True):
    """Who is behind a phone number? payer: the wallet that would pay; phone: E.164."""

    payer: UUID
    phone: str


class Payee(msgspec.Struct, frozen=True):
    """A receiver whose masked name may be shown to the payer until expires_at."""

    id: UUID
    name_shown: str
    expires_at: datetime


class Send(msgspec.Struct, frozen=True):
    """Send to a payee that was looked up."""

    payer: UUID
    payee: UUID
    amount: Money
    note: str = ""


async def look_up(turn: Turn, lookups: Sequence[Lookup]) -> list[Payee | Refused]:
    """Find receivers by phone. -> a payee or a refusal per look-up."""
    payers = await resolve(turn, [each.payer for each in lookups])
    rows = await queries.receivers(turn.connection, phones=[each.phone for each in lookups])
    receivers = {(row["phone"], row["currency"]): row for row in rows}
    answers: list[Payee | Refused] = []
    shown = []
    for each in lookups:
        payer = payers.get(each.payer)
        if payer is None or payer.kind != "customer_wallet":
            answers.append(WalletNotFound("payer"))
            continue
        row = receivers.get((each.phone, payer.currency))
        if row is None:
            answers.append(NoReceiver("phone"))
            continue
        payee = Payee(new_id(), mask_name(row["name"]), turn.at + SHOWN_FOR)
        shown.append((payee, each.payer, row["wallet"]))
        # Whose name was shown; the number that was typed stays out.
        turn.note("payee.looked_up", show("wal", row["wallet"]), show("wal", each.payer))
        answers.append(payee)
    if shown:
        await queries.add_payees(
            turn.connection,
            ids=[payee.id for payee, _, _ in shown],
            payers=[payer for _, payer, _ in shown],
            wallets=[wallet for _, _, wallet in shown],
            names=[payee.name_shown for payee, _, _ in shown],
            at=turn.at,
            expires_at=turn.at + SHOWN_FOR,
        )
    return answers


async def send(turn: Turn, sends: Sequence[Send]) -> list[Payment | Refused]:
    """Send to payees. -> the payment, perhaps refused, or why there is none, per send."""
    rows = await queries.payees(turn.connection, ids=[each.payee for each in sends])
    payees = {row["id"]: row for row in rows}
    answers: list[Payment | Refused] = [PayeeExpired("payee")] * len(sends)
    orders: dict[int, Order] = {}
    for index, each in enumerate(sends):
        payee = payees.get(each.payee)
        if payee is not None and payee["payer"] == each.payer and turn.at < payee["expires_at"]:
            orders[index] = order(each, payee["wallet"])
    for index, answer in zip(orders, await submit(turn, list(orders.values())), strict=True):
        answers[index] = answer
    return answers


async def forget_payees(turn: Turn) -> None:
    """Delete look-ups that nobody can pay any more."""
    await queries.forget_payees(turn.connection, before=turn.at - SHOWN_FOR)


def order(send: Send, wallet: UUID) -> Order:
    """What a transfer asks of payments: one showing of a name, one transfer."""
    refs = {"note": send.note} if send.note else {}
    legs = (Leg(send.payer, wallet, send.amount, "transfer"),)
    return Order("transfer", send.payee, legs, gates=("limits",), refs=refs)
