"""Deposit: the operator credits a wallet with what the custody bank says has come in."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from uuid import UUID

import msgspec

from feiqian.instruments.wallet import HOUSE, WalletNotFound, house_wallet, open_wallets, resolve
from feiqian.kernel.book import Turn
from feiqian.kernel.errors import Refused
from feiqian.kernel.ids import as_id, show
from feiqian.kernel.money import Money
from feiqian.payments import Leg, Order, Payment, submit


class Deposit(msgspec.Struct, frozen=True):
    """Credit a wallet. reference: the custody bank's own for this receipt; one receipt, one deposit."""

    wallet: UUID
    amount: Money
    reference: str


async def deposit(turn: Turn, deposits: Sequence[Deposit]) -> list[Payment | Refused]:
    """Credit wallets. -> the payment or a refusal per deposit; a reference used before gives its payment."""
    units = {each.amount.currency for each in deposits}
    await open_wallets(turn, [(HOUSE, "custody", unit) for unit in sorted(units)])
    wallets = await resolve(turn, [each.wallet for each in deposits])
    house = {id for id, wallet in wallets.items() if wallet.owner == HOUSE}
    welcome = [each for each in deposits if each.wallet not in house]
    paid = iter(await submit(turn, [order(each) for each in welcome]))
    answers = [WalletNotFound("wallet") if each.wallet in house else next(paid) for each in deposits]
    for each, answer in zip(deposits, answers, strict=True):
        if isinstance(answer, Payment) and answer.state != "refused":
            ids = show("pay", answer.id), show("wal", each.wallet)
            turn.note("deposit.booked", *ids, of=subject(each), after={"amount": each.amount}, once=answer.id)
    return answers


def subject(deposit: Deposit) -> UUID:
    """What a deposit is known by: one receipt, one subject."""
    return as_id(hashlib.sha256(f"deposit/{deposit.reference}".encode()).digest()[:16])


def order(deposit: Deposit) -> Order:
    """What a deposit asks of payments; no limit applies to money coming in."""
    custody = house_wallet("custody", deposit.amount.currency)
    legs = (Leg(custody, deposit.wallet, deposit.amount, "deposit"),)
    return Order("deposit", subject(deposit), legs, refs={"reference": deposit.reference})
