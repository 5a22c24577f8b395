"""How the shop's things are shown: purchases with their code, fee and payment; prices before paying."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from feiqian.kernel.book import Turn
from feiqian.kernel.ids import show
from feiqian.kernel.money import Money
from feiqian.merchants.contract import contracts
from feiqian.payments import Payment
from feiqian.payments.view import PaymentView, show_payment
from feiqian.payments.worksheet import load_payments
from feiqian.scenes.shop import shop_code
from feiqian.scenes.shop.counter import read_shops
from feiqian.scenes.shop.purchase import Purchase


class PurchaseView(msgspec.Struct, frozen=True):
    """A purchase. fee: what the merchant bears, as charged or as it would be today; net: the rest.

    code: text for a QR symbol while it can be paid that way.
    """

    id: str
    object: Literal["purchase"]
    state: Literal["open", "paid", "closed", "expired"]
    merchant: str
    store: str
    terminal: str | None
    cashier: str | None
    merchant_order_no: str
    description: str
    amount: Money
    fee: Money
    net: Money
    capture: Literal["now", "later"]
    code: str | None
    expires_at: datetime
    payment: PaymentView | None
    metadata: dict[str, str]
    created_at: datetime


async def show_purchases(
    connection: Any, pairs: Sequence[tuple[Purchase, Payment | None]], turn: Turn
) -> list[PurchaseView]:
    """The public form of purchases, with the payments that paid them."""
    missing = [p.payment for p, payment in pairs if payment is None and p.payment is not None]
    loaded = await load_payments(connection, missing) if missing else {}
    coded = [p.store for p, _ in pairs if p.code is not None and p.state == "open"]
    shops = await read_shops(connection, coded) if coded else {}
    unpaid = [p.merchant for p, payment in pairs if payment is None and p.payment is None]
    terms = await contracts(turn, unpaid) if unpaid else {}
    views = []
    for purchase, payment in pairs:
        if payment is None and purchase.payment is not None:
            payment = loaded[purchase.payment]
        amount = Money(purchase.amount, purchase.currency)
        if payment is not None:
            fee = Money(payment.fee, purchase.currency)
        else:
            contract = terms.get((purchase.merchant, purchase.currency))
            charged = contract.fee(purchase.amount, turn.local_day) if contract else 0
            fee = Money(charged, purchase.currency)
        expired = purchase.state == "open" and turn.at >= purchase.expires_at
        payable = purchase.state == "open" and not expired and purchase.code is not None
        views.append(
            PurchaseView(
                id=show("pur", purchase.id),
                object="purchase",
                state="expired" if expired else purchase.state,
                merchant=show("mch", purchase.merchant),
                store=show("sto", purchase.store),
                terminal=_show("ter", purchase.terminal),
                cashier=_show("csh", purchase.cashier),
                merchant_order_no=purchase.merchant_order_no,
                description=purchase.description,
                amount=amount,
                fee=fee,
                net=amount - fee,
                capture=purchase.capture,
                code=shop_code.payload(
                    shops[purchase.store],
                    purchase.code,
                    amount,
                    purchase.merchant_order_no,
                    guid=turn.book.codes.guid,
                )
                if payable and purchase.code
                else None,
                expires_at=purchase.expires_at,
                payment=None if payment is None else show_payment(payment),
                metadata=purchase.metadata,
                created_at=purchase.created_at,
            )
        )
    return views


def _show(prefix: str, id: UUID | None) -> str | None:
    return None if id is None else show(prefix, id)
