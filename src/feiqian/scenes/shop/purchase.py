"""Purchases: what a shop calls its order, and what may go wrong with one. Values and pure rules."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec

from feiqian.kernel.errors import Refused
from feiqian.kernel.money import Money
from feiqian.payments import Leg, Order


class OrderNoReused(Refused):
    """The merchant used this order number for another purchase. Use a new number."""

    code, status, zh = "order_no_reused", 409, "该商户订单号已用于另一笔订单，请换一个订单号。"


class StoreNotFound(Refused):
    """There is no such store, or it is not yours."""

    code, status, zh = "store_not_found", 404, "没有这家门店，或它不属于您。"


class StoreClosed(Refused):
    """This store is closed or its merchant suspended, so it cannot take payments."""

    code, status, zh = "store_closed", 422, "该门店已停业或商户已停用，不能收款。"


class CurrencyNotTaken(Refused):
    """The merchant has no account in this currency. Ask for another currency."""

    code, status, zh = "currency_not_taken", 422, "该商户不收这种货币，请更换币种。"


class TillWrongShop(Refused):
    """This terminal or cashier does not belong to the store, or is no longer active."""

    code, status, zh = "till_wrong_shop", 422, "该终端或收银员不属于此门店，或已停用。"


class CodeUnknown(Refused):
    """No shop shows this code any more. Ask the shop for a new one."""

    code, status, zh = "code_unknown", 404, "该收款码无效，请向商户索取新的收款码。"


class CodeCancelled(Refused):
    """The shop has cancelled this code. Ask for a new one."""

    code, status, zh = "code_cancelled", 410, "该收款码已被商户作废，请索取新的收款码。"


class CodeExpired(Refused):
    """This code is too old. Show or ask for a new one."""

    code, status, zh = "code_expired", 410, "该码已过期，请刷新或索取新的码。"


class CodeAlreadyPaid(Refused):
    """This purchase has been paid already. Nothing more was taken."""

    code, status, zh = "code_already_paid", 409, "该订单已支付，没有重复扣款。"


class CodeWrongShop(Refused):
    """This code names another shop than the one it belongs to. Do not pay; tell the shop."""

    code, status, zh = "code_wrong_shop", 422, "收款码与商户不符，请勿付款并告知商户。"


class CodeAltered(Refused):
    """The amount or currency in this code is not the shop's. Do not pay; ask for a new code."""

    code, status, zh = "code_altered", 422, "收款码中的金额或币种与订单不符，请勿付款，请索取新的码。"


class AmountNeeded(Refused):
    """This code leaves the amount to the payer. Say how much."""

    code, status, zh = "amount_needed", 422, "该收款码未含金额，请输入付款金额。"


class AmountFixed(Refused):
    """This code has an amount of its own. Pay that, or leave the amount out."""

    code, status, zh = "amount_fixed", 422, "该收款码已含金额，请按该金额付款或不填金额。"


class CodeUsed(Refused):
    """This payment code was used before. Show a new one."""

    code, status, zh = "code_used", 409, "该付款码已使用，请刷新付款码。"


class CodeWrong(Refused):
    """This payment code is not valid. Show a new one; after several wrong ones codes pause for a while."""

    code, status, zh = "code_wrong", 422, "付款码无效，请刷新后重试；多次错误将暂停使用。"


class DeviceLocked(Refused):
    """Payment codes of this device are paused after too many wrong ones, or switched off."""

    code, status, zh = "device_locked", 422, "该设备的付款码已暂停或停用，请稍后再试或更换设备。"


class Purchase(msgspec.Struct):
    """A row of table purchase. amount: minor units."""

    id: UUID
    merchant: UUID
    store: UUID
    terminal: UUID | None
    cashier: UUID | None
    merchant_order_no: str
    description: str
    currency: str
    amount: int
    capture: Literal["now", "later"]
    hold_seconds: int | None
    state: Literal["open", "paid", "closed"]
    code: str | None
    expires_at: datetime
    payment: UUID | None
    static_code: UUID | None
    metadata: dict[str, Any]
    created_at: datetime

    def same_as(self, asked: NewPurchase) -> bool:
        """Whether a repeat means this very purchase."""
        return (self.store, self.currency, self.amount, self.capture, self.hold_seconds) == (
            asked.store,
            asked.amount.currency,
            asked.amount.minor,
            asked.capture,
            asked.hold_seconds,
        )

    def order(self, payer: UUID, payee: UUID, refs: dict[str, str]) -> Order:
        """What paying it asks of payments; one purchase, one payment."""
        return Order(
            "shop",
            self.id,
            (Leg(payer, payee, Money(self.amount, self.currency), "price"),),
            capture=self.capture,
            hold_for=None if self.hold_seconds is None else timedelta(seconds=self.hold_seconds),
            gates=("limits",),
            refs=refs,
        )


class NewPurchase(msgspec.Struct, frozen=True):
    """What a cashier rings up. merchant: None when any merchant's store may be named."""

    store: UUID
    merchant_order_no: str
    amount: Money
    merchant: UUID | None = None
    terminal: UUID | None = None
    cashier: UUID | None = None
    description: str = ""
    capture: Literal["now", "later"] = "now"
    hold_seconds: int | None = None
    open_seconds: int | None = None
    metadata: dict[str, str] = {}


class Shop(msgspec.Struct):
    """A store with its merchant. wallets: where it is paid, by currency."""

    store: UUID
    name: str
    city: str
    state: str
    merchant: UUID
    merchant_name: str
    mcc: str
    country: str
    merchant_state: str
    wallets: dict[str, UUID] = msgspec.field(default_factory=dict)

    def wallet(self, currency: str) -> UUID:
        """Where it is paid in a currency. Raises: StoreClosed, CurrencyNotTaken."""
        if self.state != "active" or self.merchant_state != "active":
            raise StoreClosed("store")
        if currency not in self.wallets:
            raise CurrencyNotTaken("amount.currency", currency=currency)
        return self.wallets[currency]
