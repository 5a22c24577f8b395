"""The shop: purchases, codes shown by the shop, codes shown by the customer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from feiqian.access import owned_by
from feiqian.kernel.book import Turn
from feiqian.kernel.currency import UnknownCurrency
from feiqian.kernel.errors import NotFound
from feiqian.kernel.ids import as_id, read, show
from feiqian.kernel.money import CurrencyMismatch, Money
from feiqian.merchants.contract import contracts
from feiqian.scenes.shop import shop_code
from feiqian.scenes.shop.charge import Charge
from feiqian.scenes.shop.counter import close_purchase, find_purchases, page_of_purchases, read_shops
from feiqian.scenes.shop.emv import MalformedCode
from feiqian.scenes.shop.pay import Check, Pay, read_price
from feiqian.scenes.shop.payment_code import NotOurCode
from feiqian.scenes.shop.purchase import (
    AmountFixed,
    AmountNeeded,
    CodeAlreadyPaid,
    CodeCancelled,
    CodeExpired,
    CodeUsed,
    CodeWrong,
    CurrencyNotTaken,
    DeviceLocked,
    NewPurchase,
    StoreClosed,
    StoreNotFound,
)
from feiqian.scenes.shop.stand import Stand, find_stand, put_up, stands_of, take_down
from feiqian.web.api.refusals import PAYING, READING, RINGING
from feiqian.web.api.shapes import (
    AmountIn,
    Currency,
    EndingBefore,
    IdempotencyKey,
    Limit,
    Line,
    Metadata,
    Number,
    Page,
    StartingAfter,
    once,
    one_way,
    reads,
)
from feiqian.web.caller import book_of, key_of
from feiqian.web.show import PurchaseView, show_purchases

Code = Annotated[str, Meta(min_length=1, max_length=1024, description="The text of the scanned code.")]


class PurchaseIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the cashier rings up.

    payment_code: the code on the customer's device, to be charged at once; without it the answer
    holds a code for the customer to scan.
    """

    store: Annotated[str, Meta(max_length=64)]
    merchant_order_no: Number
    amount: AmountIn
    payment_code: Code | None = None
    terminal: Annotated[str, Meta(max_length=64)] | None = None
    cashier: Annotated[str, Meta(max_length=64)] | None = None
    description: Line = ""
    capture: Literal["now", "later"] = "now"
    hold_seconds: Annotated[int, Meta(ge=60, le=30 * 86_400)] | None = None
    open_seconds: Annotated[int, Meta(ge=30, le=86_400)] | None = None
    metadata: Metadata = {}


class PayIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Pay a shop's code from a wallet.

    amount: for codes that leave it to the payer. check: how the customer proved their will; a code
    paid with fewer than two factors is class C, with two B, with two and a signature A; a static
    code is class D whatever the check.
    """

    payer: Annotated[str, Meta(max_length=64)]
    code: Code
    amount: AmountIn | None = None
    check: Check = "single"


class ReadIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A shop's code to look at before paying."""

    code: Code


class PriceView(msgspec.Struct, frozen=True):
    """What paying a code means. amount: None when the payer says how much; fee: borne by the shop."""

    merchant: str
    merchant_name: str
    store: str
    store_name: str
    currency: str
    amount: Money | None
    fee: Money | None
    purchase: str | None
    merchant_order_no: str | None
    expires_at: datetime | None


class StandIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A static code for a store. amount: None leaves it to the payer."""

    store: Annotated[str, Meta(max_length=64)]
    currency: Currency
    amount: AmountIn | None = None


class StandView(msgspec.Struct, frozen=True):
    """A static code. code: text for the QR symbol on the stand."""

    id: str
    object: Literal["code"]
    state: Literal["active", "cancelled"]
    merchant: str
    store: str
    currency: str
    amount: Money | None
    code: str
    created_at: datetime


@post(
    "/v1/purchases",
    opt={
        "scope": "payments:write",
        "refuses": (
            *RINGING,
            *PAYING,
            CodeCancelled,
            CodeExpired,
            CodeUsed,
            CodeWrong,
            DeviceLocked,
            NotOurCode,
            MalformedCode,
        ),
    },
    tags=["purchases"],
)
async def create_purchase(
    request: Request[Any, Any, Any], data: JSONBody[PurchaseIn], idempotency_key: IdempotencyKey
) -> Response[PurchaseView]:
    """Ring up a purchase, and charge it at once when the customer's payment code is given.

    The merchant's own order number is unique per merchant: asking again with the same number tells
    what became of it and takes nothing twice.
    """
    purchase = NewPurchase(
        store=as_id(read("sto", data.store, "store")),
        merchant_order_no=data.merchant_order_no,
        amount=data.amount.money(),
        merchant=key_of(request).merchant,
        terminal=reads("ter", data.terminal, "terminal"),
        cashier=reads("csh", data.cashier, "cashier"),
        description=data.description,
        capture=data.capture,
        hold_seconds=data.hold_seconds,
        open_seconds=data.open_seconds,
        metadata=data.metadata,
    )
    if data.payment_code is None:
        return await once(request, "ring_up", idempotency_key, data, purchase)
    return await once(request, "charge", idempotency_key, data, Charge(purchase, data.payment_code))


@get("/v1/purchases", opt={"scope": "payments:read"}, tags=["purchases"])
async def list_purchases(
    request: Request[Any, Any, Any],
    merchant_order_no: Annotated[str | None, QueryParameter(name="merchant_order_no", max_length=64)] = None,
    limit: Limit = 20,
    starting_after: StartingAfter = None,
    ending_before: EndingBefore = None,
) -> Page[PurchaseView]:
    """List purchases, newest first; with `merchant_order_no` those of that number."""
    one_way(starting_after, ending_before)
    book = book_of(request)
    async with book.database.read() as connection:
        purchases, more = await page_of_purchases(
            connection,
            key_of(request).merchant,
            merchant_order_no,
            limit,
            after=reads("pur", starting_after, "starting_after"),
            before=reads("pur", ending_before, "ending_before"),
        )
        turn = Turn(book, connection, book.clock.now())
        return Page(await show_purchases(connection, [(p, None) for p in purchases], turn), more)


@get("/v1/purchases/{purchase_id:str}", opt={"scope": "payments:read"}, tags=["purchases"])
async def get_purchase(request: Request[Any, Any, Any], purchase_id: FromPath[str]) -> PurchaseView:
    """See one purchase with its payment."""
    book, id = book_of(request), as_id(read("pur", purchase_id, "purchase_id"))
    async with book.database.read() as connection:
        found = await find_purchases(connection, [id])
        if not found:
            raise NotFound("purchase_id")
        owned_by(key_of(request), found[0].merchant)
        turn = Turn(book, connection, book.clock.now())
        return (await show_purchases(connection, [(found[0], None)], turn))[0]


@post(
    "/v1/purchases/{purchase_id:str}/close",
    opt={"scope": "payments:write", "refuses": (CodeAlreadyPaid,)},
    tags=["purchases"],
    status_code=200,
)
async def close_purchase_route(request: Request[Any, Any, Any], purchase_id: FromPath[str]) -> PurchaseView:
    """Close an open purchase: its code can be paid no more. A paid one is refunded instead."""
    id, key = as_id(read("pur", purchase_id, "purchase_id")), key_of(request)

    async def close(turn: Turn) -> PurchaseView:
        purchase = await close_purchase(turn, id, key.merchant)
        return (await show_purchases(turn.connection, [(purchase, None)], turn))[0]

    return await book_of(request).write(close)


@post(
    "/v1/codes/read",
    opt={"scope": "payments:read", "refuses": (*READING, NotFound)},
    tags=["codes"],
    status_code=200,
)
async def read_code(request: Request[Any, Any, Any], data: JSONBody[ReadIn]) -> PriceView:
    """Look at a shop's code before paying: who is paid, how much, what it costs the shop."""
    book = book_of(request)
    async with book.database.read() as connection:
        turn = Turn(book, connection, book.clock.now())
        price = await read_price(turn, data.code)
        owned_by(key_of(request), price.shop.merchant)
        terms = await contracts(turn, [price.shop.merchant])
    contract = terms.get((price.shop.merchant, price.currency))
    fee = None
    if price.amount is not None:
        fee = Money(contract.fee(price.amount.minor, turn.local_day) if contract else 0, price.currency)
    purchase = price.purchase
    return PriceView(
        merchant=show("mch", price.shop.merchant),
        merchant_name=price.shop.merchant_name,
        store=show("sto", price.shop.store),
        store_name=price.shop.name,
        currency=price.currency,
        amount=price.amount,
        fee=fee,
        purchase=show("pur", purchase.id) if purchase else None,
        merchant_order_no=purchase.merchant_order_no if purchase else None,
        expires_at=purchase.expires_at if purchase else None,
    )


@post(
    "/v1/payments",
    opt={
        "scope": "wallets:pay",
        "operator": True,
        "refuses": (*READING, *PAYING, NotFound, AmountFixed, AmountNeeded, CurrencyNotTaken, StoreClosed),
    },
    tags=["payments"],
)
async def create_payment(
    request: Request[Any, Any, Any], data: JSONBody[PayIn], idempotency_key: IdempotencyKey
) -> Response[PurchaseView]:
    """Pay a shop's code from a customer's wallet."""
    command = Pay(
        as_id(read("wal", data.payer, "payer")),
        data.code,
        None if data.amount is None else data.amount.money(),
        data.check,
    )
    return await once(request, "pay", idempotency_key, data, command)


@post(
    "/v1/codes",
    opt={
        "scope": "merchants:write",
        "refuses": (
            NotFound,
            StoreNotFound,
            StoreClosed,
            CurrencyNotTaken,
            CurrencyMismatch,
            UnknownCurrency,
        ),
    },
    tags=["codes"],
)
async def create_code(request: Request[Any, Any, Any], data: JSONBody[StandIn]) -> StandView:
    """Make a static code for a store's counter."""
    store, key = as_id(read("sto", data.store, "store")), key_of(request)
    amount = None if data.amount is None else data.amount.money()

    async def put(turn: Turn) -> StandView:
        stand = await put_up(turn, store, data.currency, amount, key.merchant)
        return await _show_stand(turn.connection, stand, turn.book.codes.guid)

    return await book_of(request).write(put)


@get("/v1/codes", opt={"scope": "merchants:read"}, tags=["codes"])
async def list_codes(
    request: Request[Any, Any, Any],
    store: Annotated[str, QueryParameter(name="store", max_length=64, description="Whose codes.")],
) -> Page[StandView]:
    """List a store's static codes."""
    id = as_id(read("sto", store, "store"))
    guid = book_of(request).codes.guid
    async with book_of(request).database.read() as connection:
        shops = await read_shops(connection, [id])
        if id not in shops:
            raise NotFound("store")
        owned_by(key_of(request), shops[id].merchant)
        stands = await stands_of(connection, id)
        return Page([await _show_stand(connection, stand, guid) for stand in stands], False)


@get("/v1/codes/{code_id:str}", opt={"scope": "merchants:read"}, tags=["codes"])
async def get_code(request: Request[Any, Any, Any], code_id: FromPath[str]) -> StandView:
    """See one static code."""
    id = as_id(read("cod", code_id, "code_id"))
    async with book_of(request).database.read() as connection:
        stand = await find_stand(connection, id)
        owned_by(key_of(request), stand.merchant)
        return await _show_stand(connection, stand, book_of(request).codes.guid)


@post("/v1/codes/{code_id:str}/cancel", opt={"scope": "merchants:write"}, tags=["codes"], status_code=200)
async def cancel_code(request: Request[Any, Any, Any], code_id: FromPath[str]) -> StandView:
    """Cancel a static code: it can be paid no more."""
    id, key = as_id(read("cod", code_id, "code_id")), key_of(request)

    async def cancel(turn: Turn) -> StandView:
        owned_by(key, (await find_stand(turn.connection, id)).merchant)
        return await _show_stand(turn.connection, await take_down(turn, id), turn.book.codes.guid)

    return await book_of(request).write(cancel)


async def _show_stand(connection: Any, stand: Stand, guid: str) -> StandView:
    shop = (await read_shops(connection, [stand.store]))[stand.store]
    amount = None if stand.amount is None else Money(stand.amount, stand.currency)
    return StandView(
        id=show("cod", stand.id),
        object="code",
        state=stand.state,
        merchant=show("mch", stand.merchant),
        store=show("sto", stand.store),
        currency=stand.currency,
        amount=amount,
        code=shop_code.payload(shop, stand.token, amount, guid=guid, currency_code=stand.currency),
        created_at=stand.created_at.astimezone(UTC),
    )


ROUTES = [
    create_purchase,
    list_purchases,
    get_purchase,
    close_purchase_route,
    read_code,
    create_payment,
    create_code,
    list_codes,
    get_code,
    cancel_code,
]
