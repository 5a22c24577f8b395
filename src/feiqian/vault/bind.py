"""Bind: take a customer's card in, let it go, put cards in order.

The same number of the same customer is the same card, however often it is sent: binding needs no
idempotency key, and nothing of the request is kept but what is in the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from feiqian.kernel.errors import NotFound
from feiqian.kernel.ids import new_id
from feiqian.kernel.text import clean_name
from feiqian.vault.bins import recognise
from feiqian.vault.card import (
    BadCardOrder,
    Card,
    TooManyCards,
    check_expiry,
    check_number,
    shown_digits,
)
from feiqian.vault.finder import check_free_of_cards
from feiqian.vault.safe import Turn, Vault, key_for_new, queries
from feiqian.vault.seal import Inside, look_up_hash, seal

CARDS_MAX = 20


class NewCard(msgspec.Struct, frozen=True):
    """A card to bind. id: ours, made here so that binding run twice is binding once."""

    owner: UUID
    number: str
    expiry_month: int
    expiry_year: int
    holder_name: str | None = None
    id: UUID = msgspec.field(default_factory=new_id)

    def __repr__(self) -> str:
        return f"NewCard(owner={self.owner}, ***)"


async def bind(vault: Vault, asked: NewCard, who: str) -> Card:
    """The customer's card. One bound before is answered again, with the expiry as told now.

    who: written to the access log. That the owner exists is for the caller to know.
    Raises: BadCardNumber, BadExpiry, CardExpired, BadName, CardNumberRefused, TooManyCards.
    """
    number = check_number(asked.number)
    expires = check_expiry(
        asked.expiry_month, asked.expiry_year, vault.book.calendar.local_day(vault.book.clock.now())
    )
    holder = None if asked.holder_name is None else clean_name(asked.holder_name, "holder_name")
    check_free_of_cards(holder, "holder_name")
    hash = look_up_hash(vault.look_up_key, number)

    async def work(turn: Turn) -> Card:
        connection = turn.connection
        known = await queries.card_by_hash(connection, owner=asked.owner, hash=hash)
        if known is not None:
            await queries.renew_card(connection, id=known["id"], expires=expires)
            await turn.note(who, "bind", "bound again", known["id"])
            return msgspec.structs.replace(Card(*known), expires=expires)
        before = await queries.cards_of(connection, owner=asked.owner)
        if len(before) >= CARDS_MAX:
            raise TooManyCards("customer", most=CARDS_MAX)
        bin, last_four = shown_digits(number)
        issuer = recognise(number)
        place = before[-1]["place"] + 1 if before else 0
        card = Card(
            *(asked.id, asked.owner, bin, last_four, issuer.name, issuer.kind),
            *(expires, "active", place, turn.at),
        )
        group, key = await key_for_new(turn)
        sealed = seal(key, Inside(number, holder), card.id, card.owner, group)
        await queries.add_card(
            connection,
            id=card.id,
            owner=card.owner,
            bin=bin,
            last_four=last_four,
            issuer=card.issuer,
            kind=card.kind,
            expires=expires,
            place=place,
            hash=hash,
            data_key=group,
            sealed=sealed,
            at=turn.at,
        )
        await turn.note(who, "bind", "bound", card.id)
        return card

    return await vault.write(work)


async def unbind(vault: Vault, id: UUID, who: str) -> Card:
    """Let a card go: number, hash and tokens are gone; what may be shown stays. Raises: NotFound."""

    async def work(turn: Turn) -> Card:
        card = await find_card(turn.connection, id)
        if card.state == "unbound":
            return card
        await queries.unbind_card(turn.connection, id=id)
        await queries.delete_tokens(turn.connection, cards=[id])
        await turn.note(who, "unbind", "unbound", id)
        return msgspec.structs.replace(card, state="unbound")

    return await vault.write(work)


async def put_in_order(vault: Vault, owner: UUID, ids: Sequence[UUID], who: str) -> list[Card]:
    """The first is the default, the others follow when it does not pay. Raises: BadCardOrder."""

    async def work(turn: Turn) -> list[Card]:
        bound = [card.id for card in await cards_of(turn.connection, owner)]
        if sorted(ids) != sorted(bound):
            raise BadCardOrder("cards", bound=len(bound))
        await queries.place_cards(turn.connection, ids=list(ids), places=list(range(len(ids))))
        await turn.note(who, "order", "cards put in order")
        return await cards_of(turn.connection, owner)

    return await vault.write(work)


async def find_card(connection: Any, id: UUID) -> Card:
    """The card of that id, whatever its state. connection: the vault's. Raises: NotFound."""
    row = await queries.card(connection, id=id)
    if row is None:
        raise NotFound
    return Card(*row)


async def cards_of(connection: Any, owner: UUID) -> list[Card]:
    """A customer's bound cards, in the order in which they are asked to pay. connection: the vault's."""
    return [Card(*row) for row in await queries.cards_of(connection, owner=owner)]
