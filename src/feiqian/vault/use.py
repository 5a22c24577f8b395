"""Use: make tokens of a card, suspend, resume and delete them, and count each payment that uses one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from feiqian.kernel.currency import currency
from feiqian.kernel.errors import NotFound
from feiqian.kernel.ids import new_id
from feiqian.vault.bind import find_card
from feiqian.vault.card import Card, CardUnbound, CardUnreadable
from feiqian.vault.safe import Turn, Vault, queries
from feiqian.vault.token import (
    Asked,
    Controls,
    Token,
    TokenDeleted,
    TokenState,
    Used,
    UseReused,
    check_controls,
    may_use,
)


async def issue(vault: Vault, card: UUID, controls: Controls, who: str) -> Token:
    """A new token of a card. Raises: NotFound, CardUnbound, CardUnreadable, BadControls, UnknownCurrency."""
    currency(controls.currency)
    check_controls(controls, vault.book.clock.now())
    id = new_id()

    async def work(turn: Turn) -> Token:
        _check_usable(await find_card(turn.connection, card))
        token = Token(id, card, controls, Used(), turn.at)
        await queries.add_token(
            turn.connection,
            id=id,
            card=card,
            currency=controls.currency,
            count_max=controls.count_max,
            each_minor=controls.each_minor,
            total_minor=controls.total_minor,
            expires_at=controls.expires_at,
            channels=list(controls.channels),
            payee_kinds=list(controls.payee_kinds),
            at=turn.at,
        )
        await turn.note(who, "token.issue", "token made", card)
        return token

    return await vault.write(work)


async def change_token(vault: Vault, id: UUID, state: TokenState, who: str) -> Token:
    """Suspend, resume or delete a token. Raises: NotFound; TokenDeleted, since that is for good."""

    async def work(turn: Turn) -> Token:
        token = await find_token(turn.connection, id)
        if token.used.state == state:
            return token
        if token.used.state == "deleted":
            raise TokenDeleted
        await queries.set_token_state(turn.connection, id=id, state=state)
        await turn.note(who, f"token.{state}", "token changed", token.card)
        return msgspec.structs.replace(token, used=msgspec.structs.replace(token.used, state=state))

    return await vault.write(work)


async def use(vault: Vault, token: UUID, payment: UUID, asked: Asked) -> Card:
    """Count a payment on a token. -> the card it stands for. The same payment again is counted once.

    Raises: NotFound, TokenRefused, UseReused, CardUnbound, CardUnreadable.
    """

    async def work(turn: Turn) -> Card:
        found = await find_token(turn.connection, token)
        card = await find_card(turn.connection, found.card)
        before = await queries.token_use(turn.connection, id=payment)
        if before is not None:
            if (before["token"], before["amount_minor"]) != (token, asked.amount.minor):
                raise UseReused
            return card
        refusal = may_use(found.controls, found.used, asked)
        if refusal is not None:
            raise refusal
        _check_usable(card)
        await queries.use_token(turn.connection, token=token, amount=asked.amount.minor)
        await queries.add_use(turn.connection, id=payment, token=token, amount=asked.amount.minor, at=turn.at)
        return card

    return await vault.write(work)


async def find_token(connection: Any, id: UUID) -> Token:
    """The token of that id. connection: the vault's. Raises: NotFound."""
    row = await queries.token(connection, id=id)
    if row is None:
        raise NotFound
    return _token(row)


async def tokens_of(connection: Any, card: UUID) -> list[Token]:
    """All tokens a card ever had, newest first. connection: the vault's."""
    return [_token(row) for row in await queries.tokens_of(connection, card=card)]


def _token(row: Any) -> Token:
    controls = Controls(
        row["currency"],
        row["count_max"],
        row["each_minor"],
        row["total_minor"],
        row["expires_at"],
        tuple(row["channels"]),
        tuple(row["payee_kinds"]),
    )
    used = Used(row["state"], row["used_count"], row["used_minor"])
    return Token(row["id"], row["card"], controls, used, row["created_at"])


def _check_usable(card: Card) -> None:
    if card.state == "unbound":
        raise CardUnbound
    if card.state == "unreadable":
        raise CardUnreadable
