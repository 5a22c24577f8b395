"""Register: take merchants in, many at once; suspend and resume them.

What was taken in before under the same id is answered as it stands, and a change to the state it is in
already changes nothing, so every verb may run twice. Each change is an event.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec

from feiqian.instruments.manage import resume_wallets, suspend_wallets
from feiqian.instruments.wallet import HOUSE, open_wallets
from feiqian.kernel.book import Turn
from feiqian.kernel.currency import currency
from feiqian.kernel.errors import Refused
from feiqian.kernel.ids import new_id, show
from feiqian.kernel.outbox import Outbox
from feiqian.kernel.text import check_metadata, check_reference, clean_name
from feiqian.merchants.find import find_merchant, find_merchants, queries
from feiqian.merchants.merchant import (
    Merchant,
    MerchantClosed,
    NewMerchant,
    check_trade,
)
from feiqian.parties import ReferenceTaken


async def register(turn: Turn, asked: Sequence[NewMerchant]) -> list[Merchant | Refused]:
    """Register merchants, each with a payable wallet and a contract from today on.

    -> one answer each, in order; a refusal stops no neighbour.
    Refuses: BadName, BadText, BadMerchant, UnknownCurrency, ReferenceTaken.
    """
    drafts = [_draft(turn, one) for one in asked]
    known = await find_merchants(turn.connection, [one.id for one in asked])
    rows = await queries.references_taken(
        turn.connection, references=[one.reference for one in asked if isinstance(one.reference, str)]
    )
    references = {row["reference"] for row in rows}
    answers: list[Merchant | Refused] = []
    fresh: dict[UUID, tuple[Merchant, NewMerchant]] = {}
    for one, draft in zip(asked, drafts, strict=True):
        answer: Merchant | Refused = known.get(one.id) or draft
        if one.id in fresh:
            answer = fresh[one.id][0]
        elif answer is draft and isinstance(draft, Merchant):
            if draft.reference in references:
                answer = ReferenceTaken("reference", reference=draft.reference)
            else:
                fresh[draft.id] = (draft, one)
                references |= {draft.reference} - {None}
        answers.append(answer)
    await _store_merchants(turn, list(fresh.values()))
    return answers


def _draft(turn: Turn, one: NewMerchant) -> Merchant | Refused:
    try:
        check_trade(one.mcc, one.country)
        currency(one.currency, "currency")
        return Merchant(
            id=one.id,
            name=clean_name(one.name),
            mcc=one.mcc,
            city=clean_name(one.city, "city"),
            country=one.country,
            reference=None if one.reference is None else check_reference(one.reference),
            state="active",
            metadata=check_metadata(one.metadata),
            created_at=turn.at,
        )
    except Refused as refusal:
        return refusal


async def _store_merchants(turn: Turn, fresh: Sequence[tuple[Merchant, NewMerchant]]) -> None:
    if not fresh:
        return
    merchants = [merchant for merchant, _ in fresh]
    await queries.add_merchants(
        turn.connection,
        ids=[merchant.id for merchant in merchants],
        names=[merchant.name for merchant in merchants],
        mccs=[merchant.mcc for merchant in merchants],
        cities=[merchant.city for merchant in merchants],
        countries=[merchant.country for merchant in merchants],
        references=[merchant.reference for merchant in merchants],
        metadata=[msgspec.json.encode(merchant.metadata).decode() for merchant in merchants],
        at=turn.at,
    )
    income = {(HOUSE, "fee_income", one.currency) for _, one in fresh}
    payable = [(one.id, "merchant_payable", one.currency) for _, one in fresh]
    await open_wallets(turn, [*sorted(income), *payable])
    await queries.add_contracts(
        turn.connection,
        ids=[new_id() for _ in fresh],
        merchants=[one.id for _, one in fresh],
        currencies=[one.currency for _, one in fresh],
        terms=[msgspec.json.encode(one.terms).decode() for _, one in fresh],
        begins_on=turn.local_day,
        at=turn.at,
    )
    await _tell(turn, "merchant.registered", merchants)
    for merchant, one in fresh:
        agreed = {"state": merchant.state, "currency": one.currency, "terms": one.terms}
        turn.note("merchant.registered", show("mch", merchant.id), of=merchant.id, after=agreed)


async def suspend(turn: Turn, id: UUID) -> Merchant:
    """Take a merchant out of business for a while: nothing is paid to it, nothing taken from it.

    Raises: NotFound, MerchantClosed.
    """
    return await _change(turn, id, "suspended")


async def resume(turn: Turn, id: UUID) -> Merchant:
    """Let a suspended merchant do business again. Raises: NotFound, MerchantClosed."""
    return await _change(turn, id, "active")


async def _change(turn: Turn, id: UUID, state: str) -> Merchant:
    before = await find_merchant(turn.connection, id)
    if before.state == state:
        return before
    if before.state == "closed":
        raise MerchantClosed
    await queries.set_merchant_state(turn.connection, id=id, state=state)
    if state == "suspended":
        await suspend_wallets(turn, id)
    else:
        await resume_wallets(turn, id)
    after = msgspec.structs.replace(before, state=state)
    await _tell(turn, "merchant.suspended" if state == "suspended" else "merchant.resumed", [after])
    verb = "merchant.suspended" if state == "suspended" else "merchant.resumed"
    turn.note(verb, show("mch", id), before={"state": before.state}, after={"state": state})
    return after


async def _tell(turn: Turn, type: str, merchants: Sequence[Merchant]) -> None:
    outbox = Outbox()
    for one in merchants:
        shown = {
            "id": show("mch", one.id),
            "name": one.name,
            "mcc": one.mcc,
            "reference": one.reference,
            "state": one.state,
        }
        outbox.tell(type, one.id, one.id, {"merchant": shown})
    await outbox.write(turn)
