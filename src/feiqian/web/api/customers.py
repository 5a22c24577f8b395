"""Customers and organisations: who owns wallets, and in what state they are."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar, cast

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from feiqian.instruments.welcome import Newcomer, open_wallet
from feiqian.kernel.book import Turn
from feiqian.kernel.currency import UnknownCurrency
from feiqian.kernel.errors import NotFound
from feiqian.kernel.ids import as_id, read
from feiqian.parties import (
    BadPhone,
    NewParty,
    Party,
    PartyNotEmpty,
    PartyStateRefused,
    PhoneTaken,
    find_party,
    page_of_parties,
    set_class,
    set_state,
)
from feiqian.parties.party import Kind
from feiqian.web.api.refusals import NAMING
from feiqian.web.api.shapes import (
    Currency,
    EndingBefore,
    Limit,
    Metadata,
    Name,
    OptionalKey,
    Page,
    Reference,
    StartingAfter,
    once,
    one_way,
    page_of,
    reads,
)
from feiqian.web.caller import book_of
from feiqian.web.show_people import (
    CustomerView,
    OrganisationView,
    WalletView,
    show_parties,
    show_wallets,
)

AccountClass = Annotated[
    Literal[1, 2, 3], Meta(description="1 to 3 by how well the person was identified; limits follow from it.")
]

View = TypeVar("View", CustomerView, OrganisationView)

_KIND: dict[type, Kind] = {CustomerView: "person", OrganisationView: "organisation"}
_PREFIX = {CustomerView: "cus", OrganisationView: "org"}
_READ: dict[str, Any] = {"scope": "customers:read", "operator": True}
_WRITE: dict[str, Any] = {"scope": "customers:write", "operator": True}


class CustomerIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A person to register. currency: of the wallet that is opened with it."""

    name: Name
    phone: Annotated[str, Meta(min_length=3, max_length=32, examples=["+8613800138000"])] | None = None
    reference: Reference | None = None
    account_class: AccountClass = 1
    currency: Currency = "CNY"
    metadata: Metadata = {}


class OrganisationIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A company, school or office to register. currency: of the wallet that is opened with it."""

    name: Name
    reference: Reference | None = None
    currency: Currency = "CNY"
    metadata: Metadata = {}


class ClassIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The class that another identity check has given."""

    account_class: AccountClass


class WalletIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A wallet to open."""

    currency: Currency


@post("/v1/customers", opt=_WRITE | {"refuses": (*NAMING, BadPhone, PhoneTaken)}, tags=["customers"])
async def create_customer(
    request: Request[Any, Any, Any], data: JSONBody[CustomerIn], idempotency_key: OptionalKey = None
) -> Response[CustomerView]:
    """Register a person and open their first wallet."""
    person = NewParty(
        "person", data.name, data.phone, data.reference, data.account_class, metadata=data.metadata
    )
    return await once(request, "welcome", idempotency_key, data, Newcomer(person, data.currency))


@get("/v1/customers", opt=_READ, tags=["customers"])
async def list_customers(
    request: Request[Any, Any, Any],
    limit: Limit = 20,
    starting_after: StartingAfter = None,
    ending_before: EndingBefore = None,
) -> Page[CustomerView]:
    """List persons, newest first."""
    return await _page(request, CustomerView, limit, starting_after, ending_before)


@get("/v1/customers/{customer_id:str}", opt=_READ, tags=["customers"])
async def get_customer(request: Request[Any, Any, Any], customer_id: FromPath[str]) -> CustomerView:
    """See one person with their wallets."""
    return await _one(request, CustomerView, customer_id)


@post(
    "/v1/customers/{customer_id:str}/freeze",
    opt=_WRITE | {"refuses": (PartyStateRefused,)},
    tags=["customers"],
    status_code=200,
)
async def freeze_customer(request: Request[Any, Any, Any], customer_id: FromPath[str]) -> CustomerView:
    """Freeze a person: nothing can be paid from any of their wallets; they still receive."""
    return await _change(request, CustomerView, customer_id, "frozen")


@post(
    "/v1/customers/{customer_id:str}/release",
    opt=_WRITE | {"refuses": (PartyStateRefused,)},
    tags=["customers"],
    status_code=200,
)
async def release_customer(request: Request[Any, Any, Any], customer_id: FromPath[str]) -> CustomerView:
    """Release a frozen person: they can pay again."""
    return await _change(request, CustomerView, customer_id, "active")


@post(
    "/v1/customers/{customer_id:str}/close",
    opt=_WRITE | {"refuses": (PartyStateRefused, PartyNotEmpty)},
    tags=["customers"],
    status_code=200,
)
async def close_customer(request: Request[Any, Any, Any], customer_id: FromPath[str]) -> CustomerView:
    """Close a person for good. All their wallets must be empty."""
    return await _change(request, CustomerView, customer_id, "closed")


@post(
    "/v1/customers/{customer_id:str}/account_class",
    opt=_WRITE | {"refuses": (PartyStateRefused,)},
    tags=["customers"],
    status_code=200,
)
async def classify_customer(
    request: Request[Any, Any, Any], customer_id: FromPath[str], data: JSONBody[ClassIn]
) -> CustomerView:
    """Put a person in another account class after another identity check. Limits follow at once."""

    async def classify(turn: Turn) -> CustomerView:
        party = await _existing(turn.connection, CustomerView, customer_id)
        return await _view(turn, CustomerView, await set_class(turn, party.id, data.account_class))

    return await book_of(request).write(classify)


@post(
    "/v1/customers/{customer_id:str}/wallets",
    opt=_WRITE | {"refuses": (PartyStateRefused, UnknownCurrency)},
    tags=["wallets"],
)
async def open_customer_wallet(
    request: Request[Any, Any, Any], customer_id: FromPath[str], data: JSONBody[WalletIn]
) -> WalletView:
    """Open a person's wallet in another currency. The one there already is answered as it is."""
    return await _open(request, CustomerView, customer_id, data.currency)


@post("/v1/organisations", opt=_WRITE | {"refuses": NAMING}, tags=["organisations"])
async def create_organisation(
    request: Request[Any, Any, Any], data: JSONBody[OrganisationIn], idempotency_key: OptionalKey = None
) -> Response[OrganisationView]:
    """Register a company, school or office and open its first wallet."""
    body = NewParty("organisation", data.name, reference=data.reference, metadata=data.metadata)
    return await once(request, "welcome", idempotency_key, data, Newcomer(body, data.currency))


@get("/v1/organisations", opt=_READ, tags=["organisations"])
async def list_organisations(
    request: Request[Any, Any, Any],
    limit: Limit = 20,
    starting_after: StartingAfter = None,
    ending_before: EndingBefore = None,
) -> Page[OrganisationView]:
    """List organisations, newest first."""
    return await _page(request, OrganisationView, limit, starting_after, ending_before)


@get("/v1/organisations/{organisation_id:str}", opt=_READ, tags=["organisations"])
async def get_organisation(
    request: Request[Any, Any, Any], organisation_id: FromPath[str]
) -> OrganisationView:
    """See one organisation with its wallets."""
    return await _one(request, OrganisationView, organisation_id)


@post(
    "/v1/organisations/{organisation_id:str}/freeze",
    opt=_WRITE | {"refuses": (PartyStateRefused,)},
    tags=["organisations"],
    status_code=200,
)
async def freeze_organisation(
    request: Request[Any, Any, Any], organisation_id: FromPath[str]
) -> OrganisationView:
    """Freeze an organisation: nothing can be paid from any of its wallets; it still receives."""
    return await _change(request, OrganisationView, organisation_id, "frozen")


@post(
    "/v1/organisations/{organisation_id:str}/release",
    opt=_WRITE | {"refuses": (PartyStateRefused,)},
    tags=["organisations"],
    status_code=200,
)
async def release_organisation(
    request: Request[Any, Any, Any], organisation_id: FromPath[str]
) -> OrganisationView:
    """Release a frozen organisation: it can pay again."""
    return await _change(request, OrganisationView, organisation_id, "active")


@post(
    "/v1/organisations/{organisation_id:str}/close",
    opt=_WRITE | {"refuses": (PartyStateRefused, PartyNotEmpty)},
    tags=["organisations"],
    status_code=200,
)
async def close_organisation(
    request: Request[Any, Any, Any], organisation_id: FromPath[str]
) -> OrganisationView:
    """Close an organisation for good. All its wallets must be empty."""
    return await _change(request, OrganisationView, organisation_id, "closed")


@post(
    "/v1/organisations/{organisation_id:str}/wallets",
    opt=_WRITE | {"refuses": (PartyStateRefused, UnknownCurrency)},
    tags=["wallets"],
)
async def open_organisation_wallet(
    request: Request[Any, Any, Any], organisation_id: FromPath[str], data: JSONBody[WalletIn]
) -> WalletView:
    """Open an organisation's wallet in another currency. The one there already is answered as it is."""
    return await _open(request, OrganisationView, organisation_id, data.currency)


async def _page(
    request: Request[Any, Any, Any], view: type[View], limit: int, after: str | None, before: str | None
) -> Page[View]:
    one_way(after, before)
    book = book_of(request)
    async with book.database.read() as connection:
        rows = await page_of_parties(
            connection,
            limit + 1,
            reads(_PREFIX[view], after, "starting_after"),
            reads(_PREFIX[view], before, "ending_before"),
            _KIND[view],
        )
        parties, more = page_of(rows, limit, before)
        return Page(cast(list[View], await show_parties(connection, parties, book.clock.now())), more)


async def _one(request: Request[Any, Any, Any], view: type[View], id: str) -> View:
    book = book_of(request)
    async with book.database.read() as connection:
        party = await _existing(connection, view, id)
        return cast(View, (await show_parties(connection, [party], book.clock.now()))[0])


async def _change(
    request: Request[Any, Any, Any], view: type[View], id: str, state: Literal["active", "frozen", "closed"]
) -> View:
    async def change(turn: Turn) -> View:
        party = await _existing(turn.connection, view, id)
        return await _view(turn, view, await set_state(turn, party.id, state))

    return await book_of(request).write(change)


async def _open(request: Request[Any, Any, Any], view: type[View], id: str, currency: str) -> WalletView:
    async def open_(turn: Turn) -> WalletView:
        party = await _existing(turn.connection, view, id)
        wallet = await open_wallet(turn, party.id, currency)
        return (await show_wallets(turn.connection, [wallet], turn.at))[0]

    return await book_of(request).write(open_)


async def _view(turn: Turn, view: type[View], party: Party) -> View:
    return cast(View, (await show_parties(turn.connection, [party], turn.at))[0])


async def _existing(connection: Any, view: type[View], id: str) -> Party:
    """The party of that id and kind. Raises: NotFound."""
    party = await find_party(connection, as_id(read(_PREFIX[view], id)))
    if party.kind != _KIND[view]:
        raise NotFound
    return party


ROUTES = [
    create_customer,
    list_customers,
    get_customer,
    freeze_customer,
    release_customer,
    close_customer,
    classify_customer,
    open_customer_wallet,
    create_organisation,
    list_organisations,
    get_organisation,
    freeze_organisation,
    release_organisation,
    close_organisation,
    open_organisation_wallet,
]
