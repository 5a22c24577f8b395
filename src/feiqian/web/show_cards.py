"""How cards and their tokens are shown: never more of a number than its first six and last four digits."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from feiqian.kernel.ids import show
from feiqian.vault import Card, Token


class CardView(msgspec.Struct, frozen=True):
    """A card. bin: its first six digits, fewer of a short number. expires: YYYY-MM, good through that month.

    issuer: None when the first digits are not known.
    """

    id: str
    object: Literal["card"]
    customer: str
    bin: str
    last_four: str
    issuer: str | None
    kind: Literal["debit", "credit", "semi_credit", "prepaid", "unknown"]
    expires: str
    state: Literal["active", "unbound", "unreadable"]
    created_at: datetime


class UsedView(msgspec.Struct, frozen=True):
    """What has been counted on a token. total: minor units."""

    count: int
    total: int


class TokenView(msgspec.Struct, frozen=True):
    """What may stand for a card, how far, and how much of that is used. Sums are minor units."""

    id: str
    object: Literal["card_token"]
    card: str
    state: Literal["active", "suspended", "deleted"]
    currency: str
    count_max: int | None
    each_max: int | None
    total_max: int | None
    expires_at: datetime | None
    channels: list[Literal["online", "in_store", "recurring"]]
    payee_kinds: list[Literal["merchant", "person", "organisation"]]
    used: UsedView
    created_at: datetime


def show_card(card: Card) -> CardView:
    """The public form of a card."""
    return CardView(
        id=show("crd", card.id),
        object="card",
        customer=show("cus", card.owner),
        bin=card.bin,
        last_four=card.last_four,
        issuer=card.issuer,
        kind=card.kind,
        expires=f"{card.expires:%Y-%m}",
        state=card.state,
        created_at=card.created_at,
    )


def show_token(token: Token) -> TokenView:
    """The public form of a token."""
    controls, used = token.controls, token.used
    return TokenView(
        id=show("tok", token.id),
        object="card_token",
        card=show("crd", token.card),
        state=used.state,
        currency=controls.currency,
        count_max=controls.count_max,
        each_max=controls.each_minor,
        total_max=controls.total_minor,
        expires_at=controls.expires_at,
        channels=list(controls.channels),
        payee_kinds=list(controls.payee_kinds),
        used=UsedView(used.count, used.total_minor),
        created_at=token.created_at,
    )
