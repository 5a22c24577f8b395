"""Register: take parties in, many at once, and change their state and class. Each change is an event.

Events carry no name and no telephone number: they are kept for years and sent to many. Who may know
them asks by id.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from feiqian.kernel.book import Turn
from feiqian.kernel.errors import NotFound, Refused
from feiqian.kernel.ids import show
from feiqian.kernel.outbox import Outbox
from feiqian.kernel.text import check_metadata, check_reference, clean_name
from feiqian.parties.find import find_parties, queries
from feiqian.parties.party import (
    BadAccountClass,
    NewParty,
    NotAPerson,
    Party,
    PartyNotEmpty,
    PhoneTaken,
    ReferenceTaken,
    State,
    check_change,
    class_of,
    e164,
)

_TOLD = {"frozen": "party.frozen", "active": "party.released", "closed": "party.closed"}


async def register(turn: Turn, people: Sequence[NewParty]) -> list[Party | Refused]:
    """Register parties. -> one answer each, in order; a refusal stops no neighbour.

    A party registered before under the same id is answered as it stands. Among those asked for at
    once the first gets a telephone number or reference that two of them name.
    Refuses: BadName, BadPhone, BadText, BadAccountClass, PhoneTaken, ReferenceTaken.
    """
    drafts = [_draft(turn, one) for one in people]
    known = await find_parties(turn.connection, [one.id for one in people])
    phones, references = await _taken(turn, drafts)
    answers: list[Party | Refused] = []
    fresh: dict[UUID, Party] = {}
    for one, draft in zip(people, drafts, strict=True):
        answer = known.get(one.id) or fresh.get(one.id) or draft
        if answer is draft and isinstance(draft, Party):
            if draft.phone in phones:
                answer = PhoneTaken("phone")
            elif draft.reference in references:
                answer = ReferenceTaken("reference", reference=draft.reference)
            else:
                fresh[draft.id] = draft
                phones |= {draft.phone} - {None}
                references |= {draft.reference} - {None}
        answers.append(answer)
    await _store(turn, list(fresh.values()))
    return answers


def _draft(turn: Turn, one: NewParty) -> Party | Refused:
    try:
        return Party(
            id=one.id,
            kind=one.kind,
            name=clean_name(one.name),
            phone=None if one.phone is None else e164(one.phone),
            reference=None if one.reference is None else check_reference(one.reference),
            account_class=class_of(one.kind, one.account_class),
            state="active",
            metadata=check_metadata(one.metadata),
            created_at=turn.at,
        )
    except Refused as refusal:
        return refusal


async def _taken(turn: Turn, drafts: Sequence[Party | Refused]) -> tuple[set[Any], set[Any]]:
    """Telephone numbers and references among these that others have."""
    parties = [draft for draft in drafts if isinstance(draft, Party)]
    rows = await queries.taken(
        turn.connection,
        phones=[party.phone for party in parties if party.phone is not None],
        references=[party.reference for party in parties if party.reference is not None],
    )
    return (
        {row["phone"] for row in rows if row["phone"] is not None},
        {row["reference"] for row in rows if row["reference"] is not None},
    )


async def _store(turn: Turn, parties: Sequence[Party]) -> None:
    if not parties:
        return
    await queries.add_parties(
        turn.connection,
        ids=[party.id for party in parties],
        kinds=[party.kind for party in parties],
        names=[party.name for party in parties],
        phones=[party.phone for party in parties],
        references=[party.reference for party in parties],
        classes=[party.account_class for party in parties],
        metadata=[msgspec.json.encode(party.metadata).decode() for party in parties],
        at=turn.at,
    )
    await _tell(turn, "party.registered", parties)


async def set_state(turn: Turn, id: UUID, state: State) -> Party:
    """Freeze, release or close a party; one that is in this state already stays as it is.

    Closed for good, and only when all wallets are empty; its telephone number is then free again.
    Raises: NotFound, PartyStateRefused, PartyNotEmpty.
    """
    before = await _existing(turn, id)
    if before.state == state:
        return before
    check_change(before.state, state)
    if state == "closed" and await queries.has_money(turn.connection, owner=id):
        raise PartyNotEmpty
    await queries.set_party_state(turn.connection, id=id, state=state)
    after = msgspec.structs.replace(before, state=state)
    await _tell(turn, _TOLD[state], [after], before)
    return after


async def set_class(turn: Turn, id: UUID, account_class: int) -> Party:
    """Put a person in another class after another identity check; limits follow from it at once.

    Raises: NotFound, NotAPerson, BadAccountClass; PartyStateRefused for a closed party.
    """
    before = await _existing(turn, id)
    if before.kind != "person":
        raise NotAPerson("account_class")
    if class_of("person", account_class) != account_class:
        raise BadAccountClass("account_class")
    if before.account_class == account_class:
        return before
    if before.state == "closed":
        check_change("closed", "closed")
    await queries.set_party_class(turn.connection, id=id, account_class=account_class)
    after = msgspec.structs.replace(before, account_class=account_class)
    await _tell(turn, "party.class_changed", [after], before)
    return after


async def _existing(turn: Turn, id: UUID) -> Party:
    found = (await find_parties(turn.connection, [id])).get(id)
    if found is None:
        raise NotFound
    return found


async def _tell(turn: Turn, type: str, parties: Sequence[Party], before: Party | None = None) -> None:
    outbox = Outbox()
    for party in parties:
        id = show("cus" if party.kind == "person" else "org", party.id)
        was = None if before is None else _standing(before)
        turn.note(type, id, of=party.id, before=was, after=_standing(party))
        shown = {
            "id": show("cus" if party.kind == "person" else "org", party.id),
            "kind": party.kind,
            "reference": party.reference,
            "account_class": party.account_class,
            "state": party.state,
        }
        outbox.tell(type, party.id, party.id, {"party": shown})
    await outbox.write(turn)


def _standing(party: Party) -> dict[str, Any]:
    return {"state": party.state, "account_class": party.account_class}
