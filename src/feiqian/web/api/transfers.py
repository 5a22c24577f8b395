"""Transfers between persons, and deposits that the operator books."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, post
from litestar.params import JSONBody
from msgspec import Meta

from feiqian.instruments.wallet import WalletNotFound
from feiqian.kernel.book import Turn
from feiqian.kernel.errors import NotFound, Refused
from feiqian.kernel.ids import as_id, read, show
from feiqian.parties import BadPhone
from feiqian.parties.party import e164
from feiqian.payments.submit import SubjectReused
from feiqian.payments.view import PaymentView
from feiqian.scenes.deposit import Deposit
from feiqian.scenes.transfer import Lookup, Send, look_up
from feiqian.scenes.transfer.transfer import NoReceiver, PayeeExpired
from feiqian.web.api.refusals import PAYING, RECEIVING
from feiqian.web.api.shapes import AmountIn, IdempotencyKey, Line, Number, once
from feiqian.web.caller import book_of


class LookupIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who would receive at a phone number? payer: the wallet that would pay."""

    payer: Annotated[str, Meta(max_length=64)]
    phone: Annotated[str, Meta(min_length=3, max_length=32, examples=["+8613800138000"])]


class PayeeView(msgspec.Struct, frozen=True):
    """A receiver. Show name_masked to the payer; the id is good until expires_at, for this payer."""

    id: str
    object: Literal["payee"]
    name_masked: str
    expires_at: datetime


class TransferIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Send to a payee that was looked up and shown."""

    payer: Annotated[str, Meta(max_length=64)]
    payee: Annotated[str, Meta(max_length=64)]
    amount: AmountIn
    note: Line = ""


class DepositIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Credit a wallet with money that has come in. reference: the custody bank's own, one per receipt."""

    wallet: Annotated[str, Meta(max_length=64)]
    amount: AmountIn
    reference: Number


@post(
    "/v1/payees",
    opt={
        "scope": "transfers:write",
        "operator": True,
        "refuses": (NotFound, WalletNotFound, NoReceiver, BadPhone),
    },
    tags=["transfers"],
)
async def create_payee(request: Request[Any, Any, Any], data: JSONBody[LookupIn]) -> PayeeView:
    """Look up who receives at a phone number, to show the masked name before sending."""
    lookup = Lookup(as_id(read("wal", data.payer, "payer")), e164(data.phone))

    async def find(turn: Turn) -> PayeeView:
        (found,) = await look_up(turn, [lookup])
        if isinstance(found, Refused):
            raise found
        return PayeeView(show("pye", found.id), "payee", found.name_shown, found.expires_at)

    return await book_of(request).write(find)


@post(
    "/v1/transfers",
    opt={"scope": "transfers:write", "operator": True, "refuses": (*PAYING, NotFound, PayeeExpired)},
    tags=["transfers"],
)
async def create_transfer(
    request: Request[Any, Any, Any], data: JSONBody[TransferIn], idempotency_key: IdempotencyKey
) -> Response[PaymentView]:
    """Send money to a person. One look-up, one transfer."""
    command = Send(
        as_id(read("wal", data.payer, "payer")),
        as_id(read("pye", data.payee, "payee")),
        data.amount.money(),
        data.note,
    )
    return await once(request, "send", idempotency_key, data, command)


@post(
    "/v1/deposits",
    opt={"scope": "deposits:write", "operator": True, "refuses": (*RECEIVING, NotFound, SubjectReused)},
    tags=["deposits"],
)
async def create_deposit(
    request: Request[Any, Any, Any], data: JSONBody[DepositIn], idempotency_key: IdempotencyKey
) -> Response[PaymentView]:
    """Credit a wallet with money that has arrived in the custody account."""
    command = Deposit(as_id(read("wal", data.wallet, "wallet")), data.amount.money(), data.reference)
    return await once(request, "deposit", idempotency_key, data, command)


ROUTES = [create_payee, create_transfer, create_deposit]
