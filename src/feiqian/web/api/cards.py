"""Cards: bound to a customer, shown by first and last digits, stood for by tokens with limits of their own.

A card's number comes in at one address and goes to the vault. No answer to these requests is kept with
an Idempotency-Key, nor any digest of what was sent: the same number of the same customer is the same
card, so sending it again is safe as it is.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Request, get, post, put
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from feiqian import vault as cards
from feiqian.kernel.currency import UnknownCurrency
from feiqian.kernel.errors import NotFound
from feiqian.kernel.ids import as_id, read, show
from feiqian.kernel.money import MAX_MINOR
from feiqian.kernel.text import BadName
from feiqian.parties import PartyStateRefused, find_party
from feiqian.vault import Controls, NewCard, NoVault, Vault
from feiqian.vault.card import (
    BadCardNumber,
    BadCardOrder,
    BadExpiry,
    CardExpired,
    CardUnbound,
    CardUnreadable,
    TooManyCards,
)
from feiqian.vault.token import BadControls, TokenDeleted, TokenState
from feiqian.web.api.shapes import Currency, Id, Name, Page
from feiqian.web.caller import book_of, key_of
from feiqian.web.house import House
from feiqian.web.show_cards import CardView, TokenView, show_card, show_token

_READ: dict[str, Any] = {"scope": "cards:read", "operator": True, "refuses": (NoVault,)}
_WRITE: dict[str, Any] = {"scope": "cards:write", "operator": True}
_BINDING = (BadCardNumber, BadExpiry, CardExpired, TooManyCards, BadName, PartyStateRefused, NotFound)

Sum = Annotated[int, Meta(ge=1, le=MAX_MINOR, description="Minor units.")]


class CardIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A card to bind. number: as it stands on the card. Its code, track and PIN are never taken."""

    customer: Id
    number: Annotated[str, Meta(min_length=12, max_length=40)]
    expiry_month: Annotated[int, Meta(ge=1, le=12)]
    expiry_year: Annotated[int, Meta(ge=2000, le=2200)]
    holder_name: Name | None = None

    def __repr__(self) -> str:
        return f"CardIn(customer={self.customer}, ***)"


class OrderIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All bound cards of a customer: the default first, then those to fall back on, in turn."""

    cards: Annotated[list[Id], Meta(max_length=100)]


class ControlsIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far a token stands for its card: at least one control. What is left out lets everything pass.

    count_max: payments. each_max, total_max: the most in one payment and in all. channels, payee_kinds:
    those named pass; when none is named, all do.
    """

    currency: Currency = "CNY"
    count_max: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    each_max: Sum | None = None
    total_max: Sum | None = None
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None
    channels: Annotated[list[Literal["online", "in_store", "recurring"]], Meta(max_length=3)] = []
    payee_kinds: Annotated[list[Literal["merchant", "person", "organisation"]], Meta(max_length=3)] = []


@post("/v1/cards", opt=_WRITE | {"card_field": "number", "refuses": (NoVault, *_BINDING)}, tags=["cards"])
async def bind_card(request: Request[Any, Any, Any], data: JSONBody[CardIn]) -> CardView:
    """Bind a card to a customer. Bound before, it is answered as it is, good through the month sent now."""
    vault = _vault(request)
    owner = await _person(request, data.customer, "customer", binds=True)
    asked = NewCard(owner, data.number, data.expiry_month, data.expiry_year, data.holder_name)
    return show_card(await cards.bind(vault, asked, _who(request)))


@get("/v1/cards/{card_id:str}", opt=_READ, tags=["cards"])
async def get_card(request: Request[Any, Any, Any], card_id: FromPath[str]) -> CardView:
    """See one card."""
    async with _vault(request).database.read() as connection:
        return show_card(await cards.find_card(connection, _card(card_id)))


@get("/v1/customers/{customer_id:str}/cards", opt=_READ, tags=["cards"])
async def list_cards(request: Request[Any, Any, Any], customer_id: FromPath[str]) -> Page[CardView]:
    """List a customer's bound cards: the default first, then those to fall back on, in turn."""
    vault = _vault(request)
    owner = await _person(request, customer_id, "customer_id")
    async with vault.database.read() as connection:
        return Page([show_card(each) for each in await cards.cards_of(connection, owner)], False)


@put(
    "/v1/customers/{customer_id:str}/cards/order",
    opt=_WRITE | {"refuses": (NoVault, BadCardOrder)},
    tags=["cards"],
)
async def order_cards(
    request: Request[Any, Any, Any], customer_id: FromPath[str], data: JSONBody[OrderIn]
) -> Page[CardView]:
    """Put a customer's cards in order: the default first, then those to fall back on, in turn."""
    vault = _vault(request)
    owner = await _person(request, customer_id, "customer_id")
    ids = [as_id(read("crd", each, "cards")) for each in data.cards]
    return Page(
        [show_card(each) for each in await cards.put_in_order(vault, owner, ids, _who(request))], False
    )


@post("/v1/cards/{card_id:str}/unbind", opt=_WRITE | {"refuses": (NoVault,)}, tags=["cards"], status_code=200)
async def unbind_card(request: Request[Any, Any, Any], card_id: FromPath[str]) -> CardView:
    """Unbind a card for good: its number and its tokens are gone."""
    return show_card(await cards.unbind(_vault(request), _card(card_id), _who(request)))


@post(
    "/v1/cards/{card_id:str}/tokens",
    opt=_WRITE | {"refuses": (NoVault, BadControls, CardUnbound, CardUnreadable, UnknownCurrency)},
    tags=["cards"],
)
async def issue_card_token(
    request: Request[Any, Any, Any], card_id: FromPath[str], data: JSONBody[ControlsIn]
) -> TokenView:
    """Make a token that stands for a card as far as its controls let it."""
    controls = Controls(
        data.currency,
        data.count_max,
        data.each_max,
        data.total_max,
        data.expires_at,
        tuple(data.channels),
        tuple(data.payee_kinds),
    )
    return show_token(await cards.issue(_vault(request), _card(card_id), controls, _who(request)))


@get("/v1/cards/{card_id:str}/tokens", opt=_READ, tags=["cards"])
async def list_card_tokens(request: Request[Any, Any, Any], card_id: FromPath[str]) -> Page[TokenView]:
    """List all tokens a card ever had, newest first."""
    async with _vault(request).database.read() as connection:
        card = await cards.find_card(connection, _card(card_id))
        return Page([show_token(each) for each in await cards.tokens_of(connection, card.id)], False)


@get("/v1/card_tokens/{card_token_id:str}", opt=_READ, tags=["cards"])
async def get_card_token(request: Request[Any, Any, Any], card_token_id: FromPath[str]) -> TokenView:
    """See one token, with what has been counted on it."""
    async with _vault(request).database.read() as connection:
        return show_token(await cards.find_token(connection, _token(card_token_id)))


@post(
    "/v1/card_tokens/{card_token_id:str}/suspend",
    opt=_WRITE | {"refuses": (NoVault, TokenDeleted)},
    tags=["cards"],
    status_code=200,
)
async def suspend_card_token(request: Request[Any, Any, Any], card_token_id: FromPath[str]) -> TokenView:
    """Refuse a token until it is resumed."""
    return await _change(request, card_token_id, "suspended")


@post(
    "/v1/card_tokens/{card_token_id:str}/resume",
    opt=_WRITE | {"refuses": (NoVault, TokenDeleted)},
    tags=["cards"],
    status_code=200,
)
async def resume_card_token(request: Request[Any, Any, Any], card_token_id: FromPath[str]) -> TokenView:
    """Take a suspended token again."""
    return await _change(request, card_token_id, "active")


@post(
    "/v1/card_tokens/{card_token_id:str}/delete",
    opt=_WRITE | {"refuses": (NoVault,)},
    tags=["cards"],
    status_code=200,
)
async def delete_card_token(request: Request[Any, Any, Any], card_token_id: FromPath[str]) -> TokenView:
    """Delete a token for good."""
    return await _change(request, card_token_id, "deleted")


async def _change(request: Request[Any, Any, Any], id: str, state: TokenState) -> TokenView:
    return show_token(await cards.change_token(_vault(request), _token(id), state, _who(request)))


def _vault(request: Request[Any, Any, Any]) -> Vault:
    """The vault of the key's book. Raises: NoVault."""
    house: House = request.app.state.house
    found = house.vaults.get(book_of(request).name)
    if found is None:
        raise NoVault
    return found


def _who(request: Request[Any, Any, Any]) -> str:
    return show("key", key_of(request).id)


async def _person(request: Request[Any, Any, Any], id: str, param: str, *, binds: bool = False) -> UUID:
    """The id of a customer who exists. Raises: NotFound; PartyStateRefused when one that is closed binds."""
    async with book_of(request).database.read() as connection:
        party = await find_party(connection, as_id(read("cus", id, param)))
    if party.kind != "person":
        raise NotFound(param)
    if binds and party.state == "closed":
        raise PartyStateRefused(param, state=party.state)
    return party.id


def _card(id: str) -> UUID:
    return as_id(read("crd", id, "card_id"))


def _token(id: str) -> UUID:
    return as_id(read("tok", id, "card_token_id"))


ROUTES = [
    bind_card,
    get_card,
    list_cards,
    order_cards,
    unbind_card,
    issue_card_token,
    list_card_tokens,
    get_card_token,
    suspend_card_token,
    resume_card_token,
    delete_card_token,
]
