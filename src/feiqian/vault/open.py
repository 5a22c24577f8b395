"""Open: the one way by which a number leaves its ciphertext, each time with a line in the access log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from feiqian.kernel.errors import NotFound
from feiqian.vault.card import Card, CardUnbound, CardUnreadable
from feiqian.vault.safe import Turn, Vault, queries
from feiqian.vault.seal import Inside, SealedOtherwise, unseal

T = TypeVar("T")


class CardNumber(msgspec.Struct, frozen=True):
    """A card with its number in the clear, for as long as the work it was lent to runs. Never stored."""

    card: Card
    number: str
    holder_name: str | None

    @property
    def expires(self) -> date:
        """The first day of the last month."""
        return self.card.expires

    def __repr__(self) -> str:
        return f"CardNumber({self.card!r}, ***)"


async def with_pan(
    vault: Vault, card: UUID, reason: str, work: Callable[[CardNumber], Awaitable[T]], *, who: str
) -> T:
    """Lend a card's number to work, for rails that must send it. Work keeps nothing of it.

    The line in the access log is committed before work begins; no line, no number.
    reason: why, in words, such as the payment it is for. who: which part of us asks.
    Raises: NotFound, CardUnbound, CardUnreadable, SealedOtherwise, each logged too; what work raises.
    """

    async def look(turn: Turn) -> CardNumber | Exception:
        found: CardNumber | Exception
        try:
            found = opened(vault, await queries.sealed_card(turn.connection, id=card))
            result = "opened"
        except (NotFound, CardUnbound, CardUnreadable, SealedOtherwise) as error:
            found, result = error, error.code
        await turn.note(who, "open", reason, card, result)
        return found

    found = await vault.write(look)
    if isinstance(found, Exception):
        raise found
    return await work(found)


def opened(vault: Vault, row: Any) -> CardNumber:
    """A row of sealed_card, opened; only for this module and the proof.

    Raises: NotFound for no row, CardUnbound, CardUnreadable, SealedOtherwise, VaultKeyMissing.
    """
    if row is None:
        raise NotFound
    card = Card(*list(row)[: len(Card.__struct_fields__)])
    if card.state == "unbound":
        raise CardUnbound
    inside = _inside(vault, row)
    return CardNumber(card, inside.number, inside.holder_name)


def _inside(vault: Vault, row: Any) -> Inside:
    key = vault.data_key(row["data_key"], row["kek"], row["wrapped"])
    if key is None:
        raise CardUnreadable
    return unseal(key, row["sealed"], row["id"], row["owner"], row["data_key"])
