"""Merchants: who is paid, on what terms, and what a payment would cost them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from feiqian.access import owned_by
from feiqian.kernel.book import Turn
from feiqian.kernel.currency import UnknownCurrency
from feiqian.kernel.currency import currency as known_currency
from feiqian.kernel.errors import Refused
from feiqian.kernel.ids import as_id, new_id, read, show
from feiqian.kernel.money import MAX_MINOR, Money
from feiqian.merchants import (
    Agreement,
    ContractInThePast,
    MerchantClosed,
    NewMerchant,
    agree,
    contracts,
    find_merchant,
    page_of_contracts,
    page_of_merchants,
    resume,
    suspend,
)
from feiqian.pricing import Terms, Waiver
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
from feiqian.web.caller import book_of, key_of
from feiqian.web.show_trade import ContractView, MerchantView, show_contract, show_merchants

_READ: dict[str, Any] = {"scope": "merchants:read"}
_WRITE: dict[str, Any] = {"scope": "merchants:write", "operator": True}


class BadTerms(Refused):
    """A cap is not below the minimum, and nothing ends before it begins."""

    code, status, zh = "bad_terms", 422, "封顶金额不能低于最低金额，结束日期不能早于开始日期。"


class WaiverIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Days on which no fee is charged, both included."""

    begins_on: date
    ends_on: date


class TermsIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one payment costs the merchant.

    rate_bps: hundredths of a percent. fixed, minimum, cap: minor units; no cap when left out.
    on_refund: whether the fee on what is refunded is returned too, or kept.
    """

    rate_bps: Annotated[int, Meta(ge=0, le=10_000, examples=[38])] = 0
    fixed: Annotated[int, Meta(ge=0, le=MAX_MINOR)] = 0
    minimum: Annotated[int, Meta(ge=0, le=MAX_MINOR)] = 0
    cap: Annotated[int, Meta(ge=0, le=MAX_MINOR)] | None = None
    on_refund: Literal["return", "keep"] = "return"
    waivers: Annotated[list[WaiverIn], Meta(max_length=100)] = []

    def terms(self) -> Terms:
        """As terms. Raises: BadTerms."""
        if self.cap is not None and self.cap < self.minimum:
            raise BadTerms("terms.cap")
        for n, waiver in enumerate(self.waivers):
            if waiver.ends_on < waiver.begins_on:
                raise BadTerms(f"terms.waivers.{n}.ends_on")
        waivers = tuple(Waiver(each.begins_on, each.ends_on) for each in self.waivers)
        return Terms(self.rate_bps, self.fixed, self.minimum, self.cap, self.on_refund, waivers)


class MerchantIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A merchant to register. mcc: category of trade, ISO 18245; terms: of its first contract."""

    name: Name
    mcc: Annotated[str, Meta(pattern=r"^[0-9]{4}(?!\n)$", examples=["5812"])]
    city: Name
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}(?!\n)$", examples=["CN"])] = "CN"
    currency: Currency = "CNY"
    reference: Reference | None = None
    terms: TermsIn = msgspec.field(default_factory=TermsIn)
    metadata: Metadata = {}


class ContractIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Terms from a day on. ends_on: the first day they no longer hold; open-ended when left out."""

    currency: Currency
    begins_on: date
    terms: TermsIn
    ends_on: date | None = None


class QuoteView(msgspec.Struct, frozen=True):
    """What a payment would cost the merchant today. contract: null when none is in force, and no fee."""

    object: Literal["quote"]
    merchant: str
    contract: str | None
    amount: Money
    fee: Money
    net: Money


@post("/v1/merchants", opt=_WRITE | {"refuses": (*NAMING, BadTerms)}, tags=["merchants"])
async def create_merchant(
    request: Request[Any, Any, Any], data: JSONBody[MerchantIn], idempotency_key: OptionalKey = None
) -> Response[MerchantView]:
    """Register a merchant with a wallet and a first contract."""
    merchant = NewMerchant(
        name=data.name,
        mcc=data.mcc,
        city=data.city,
        country=data.country,
        reference=data.reference,
        metadata=data.metadata,
        currency=data.currency,
        terms=data.terms.terms(),
    )
    return await once(request, "merchants", idempotency_key, data, merchant)


@get("/v1/merchants", opt=_READ, tags=["merchants"])
async def list_merchants(
    request: Request[Any, Any, Any],
    limit: Limit = 20,
    starting_after: StartingAfter = None,
    ending_before: EndingBefore = None,
) -> Page[MerchantView]:
    """List merchants, newest first. A merchant's own key sees that merchant only."""
    one_way(starting_after, ending_before)
    book, mine = book_of(request), key_of(request).merchant
    after = reads("mch", starting_after, "starting_after")
    before = reads("mch", ending_before, "ending_before")
    async with book.database.read() as connection:
        if mine is not None:
            rows = [] if after or before else [await find_merchant(connection, mine)]
        else:
            rows = await page_of_merchants(connection, limit + 1, after, before)
        merchants, more = page_of(rows, limit, before)
        return Page(await show_merchants(connection, merchants, book.clock.now()), more)


@get("/v1/merchants/{merchant_id:str}", opt=_READ, tags=["merchants"])
async def get_merchant(request: Request[Any, Any, Any], merchant_id: FromPath[str]) -> MerchantView:
    """See one merchant with its wallets."""
    book, id = book_of(request), as_id(read("mch", merchant_id, "merchant_id"))
    owned_by(key_of(request), id)
    async with book.database.read() as connection:
        merchant = await find_merchant(connection, id)
        return (await show_merchants(connection, [merchant], book.clock.now()))[0]


@post(
    "/v1/merchants/{merchant_id:str}/suspend",
    opt=_WRITE | {"refuses": (MerchantClosed,)},
    tags=["merchants"],
    status_code=200,
)
async def suspend_merchant(request: Request[Any, Any, Any], merchant_id: FromPath[str]) -> MerchantView:
    """Take a merchant out of business for a while: nothing is paid to it, nothing taken from it."""
    id = as_id(read("mch", merchant_id, "merchant_id"))

    async def change(turn: Turn) -> MerchantView:
        return (await show_merchants(turn.connection, [await suspend(turn, id)], turn.at))[0]

    return await book_of(request).write(change)


@post(
    "/v1/merchants/{merchant_id:str}/resume",
    opt=_WRITE | {"refuses": (MerchantClosed,)},
    tags=["merchants"],
    status_code=200,
)
async def resume_merchant(request: Request[Any, Any, Any], merchant_id: FromPath[str]) -> MerchantView:
    """Let a suspended merchant do business again."""
    id = as_id(read("mch", merchant_id, "merchant_id"))

    async def change(turn: Turn) -> MerchantView:
        return (await show_merchants(turn.connection, [await resume(turn, id)], turn.at))[0]

    return await book_of(request).write(change)


@post(
    "/v1/merchants/{merchant_id:str}/contracts",
    opt=_WRITE | {"refuses": (MerchantClosed, ContractInThePast, UnknownCurrency, BadTerms)},
    tags=["merchants"],
)
async def create_contract(
    request: Request[Any, Any, Any], merchant_id: FromPath[str], data: JSONBody[ContractIn]
) -> ContractView:
    """Agree on terms from a day on, today at the earliest; agreed again for a day, the later terms hold."""
    id, terms = as_id(read("mch", merchant_id, "merchant_id")), data.terms.terms()
    known_currency(data.currency, "currency")
    if data.ends_on is not None and data.ends_on <= data.begins_on:
        raise BadTerms("ends_on")

    contract_id = new_id()

    async def make(turn: Turn) -> ContractView:
        if (await find_merchant(turn.connection, id)).state == "closed":
            raise MerchantClosed
        made = await agree(turn, id, data.currency, data.begins_on, data.ends_on, terms, contract_id)
        return show_contract(
            Agreement(made.id, id, data.currency, data.begins_on, data.ends_on, terms, turn.at)
        )

    return await book_of(request).write(make)


@get("/v1/merchants/{merchant_id:str}/contracts", opt=_READ, tags=["merchants"])
async def list_contracts(
    request: Request[Any, Any, Any],
    merchant_id: FromPath[str],
    limit: Limit = 20,
    starting_after: StartingAfter = None,
    ending_before: EndingBefore = None,
) -> Page[ContractView]:
    """List a merchant's contracts: past, in force and to come, the latest agreed first."""
    one_way(starting_after, ending_before)
    id = as_id(read("mch", merchant_id, "merchant_id"))
    owned_by(key_of(request), id)
    async with book_of(request).database.read() as connection:
        await find_merchant(connection, id)
        rows = await page_of_contracts(
            connection,
            id,
            limit + 1,
            reads("ctr", starting_after, "starting_after"),
            reads("ctr", ending_before, "ending_before"),
        )
    shown, more = page_of(rows, limit, ending_before)
    return Page([show_contract(each) for each in shown], more)


@get("/v1/merchants/{merchant_id:str}/quote", opt=_READ | {"refuses": (UnknownCurrency,)}, tags=["merchants"])
async def quote_fee(
    request: Request[Any, Any, Any],
    merchant_id: FromPath[str],
    amount: Annotated[
        str,
        QueryParameter(
            name="amount", pattern=r"^[1-9][0-9]{0,14}(?!\n)$", description="Minor units, above zero."
        ),
    ],
    currency: Annotated[
        str, QueryParameter(name="currency", pattern=r"^[A-Z]{3}(?!\n)$", description="ISO 4217.")
    ],
) -> QuoteView:
    """See the fee and what is left for an amount paid today, before anybody pays."""
    book, id = book_of(request), as_id(read("mch", merchant_id, "merchant_id"))
    owned_by(key_of(request), id)
    asked = Money.minor_units(int(amount), currency, param="amount")
    async with book.database.read() as connection:
        await find_merchant(connection, id)
        turn = Turn(book, connection, book.clock.now())
        contract = (await contracts(turn, [id])).get((id, currency))
    fee = Money(contract.fee(asked.minor, turn.local_day) if contract else 0, currency)
    return QuoteView(
        object="quote",
        merchant=merchant_id,
        contract=show("ctr", contract.id) if contract else None,
        amount=asked,
        fee=fee,
        net=asked - fee,
    )


ROUTES = [
    create_merchant,
    list_merchants,
    get_merchant,
    suspend_merchant,
    resume_merchant,
    create_contract,
    list_contracts,
    quote_fee,
]
