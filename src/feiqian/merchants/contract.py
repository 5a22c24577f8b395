"""Contracts: what a merchant pays for being paid, by date; the fee a payment is shown and charged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from uuid import UUID

import msgspec

from feiqian.instruments.wallet import HOUSE, house_wallet, open_wallets
from feiqian.kernel.book import Turn
from feiqian.kernel.errors import Refused
from feiqian.kernel.ids import new_id, show
from feiqian.kernel.queries import load
from feiqian.pricing import Terms, fee

queries = load(Path(__file__).parent)


class ContractInThePast(Refused):
    """A contract begins today or later: what was charged under another one stays as it was."""

    code, status, zh = "contract_in_the_past", 422, "合同生效日不能早于今天，已收费用不会改变。"


class Contract(msgspec.Struct, frozen=True):
    """Terms in force for a merchant in a currency."""

    id: UUID
    merchant: UUID
    currency: str
    begins_on: date
    terms: Terms

    @property
    def fee_wallet(self) -> UUID:
        """Where its fees go."""
        return house_wallet("fee_income", self.currency)

    def fee(self, amount: int, on: date) -> int:
        """The fee for an amount in minor units, paid on a local day."""
        return fee(amount, self.terms, on)


async def contracts(
    turn: Turn, merchants: Sequence[UUID], ids: Sequence[UUID] = ()
) -> dict[object, Contract]:
    """Contracts in force today by (merchant, currency), and those of the given ids by id."""
    if not merchants and not ids:
        return {}
    rows = await queries.contracts(
        turn.connection, merchants=list(set(merchants)), ids=list(set(ids)), day=turn.local_day
    )
    found: dict[object, Contract] = {}
    wanted = set(ids)
    for row in rows:
        contract = Contract(
            row["id"],
            row["merchant"],
            row["currency"],
            row["begins_on"],
            msgspec.convert(row["terms"], Terms),
        )
        if contract.id in wanted:
            found[contract.id] = contract
        if row["in_force"]:
            found[contract.merchant, contract.currency] = contract
    return found


async def agree(
    turn: Turn,
    merchant: UUID,
    currency: str,
    begins_on: date,
    ends_on: date | None,
    terms: Terms,
    id: UUID | None = None,
) -> Contract:
    """Agree on terms from a day on; those agreed later for the same day win.

    id: ours, made before the turn, so that a turn run twice agrees once. Raises: ContractInThePast.
    """
    if begins_on < turn.local_day:
        raise ContractInThePast("begins_on", begins_on=begins_on.isoformat())
    before = (await contracts(turn, [merchant])).get((merchant, currency))
    await open_wallets(turn, [(HOUSE, "fee_income", currency), (merchant, "merchant_payable", currency)])
    id = id or new_id()
    await queries.add_contract(
        turn.connection,
        id=id,
        merchant=merchant,
        currency=currency,
        begins_on=begins_on,
        ends_on=ends_on,
        terms=msgspec.to_builtins(terms),
        at=turn.at,
    )
    turn.note(
        "contract.agreed",
        show("ctr", id),
        show("mch", merchant),
        before=None if before is None else {"begins_on": before.begins_on, "terms": before.terms},
        after={"begins_on": begins_on, "ends_on": ends_on, "currency": currency, "terms": terms},
    )
    return Contract(id, merchant, currency, begins_on, terms)
