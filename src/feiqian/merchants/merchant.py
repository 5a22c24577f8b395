"""Merchant: who is paid; its stores, their cashiers and terminals; and what is asked of a new one."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Literal
from uuid import UUID

import msgspec

from feiqian.kernel.errors import Refused
from feiqian.kernel.ids import new_id
from feiqian.pricing import Terms

State = Literal["active", "closed"]

_MCC = re.compile(r"[0-9]{4}")
_COUNTRY = re.compile(r"[A-Z]{2}")


class BadMerchant(Refused):
    """A merchant has a category of four digits (ISO 18245) and a country of two letters (ISO 3166)."""

    code, status, zh = (
        "bad_merchant",
        422,
        "商户类别码须为四位数字（ISO 18245），国家须为两位字母（ISO 3166）。",
    )


class MerchantClosed(Refused):
    """This merchant is closed and stays so."""

    code, status, zh = "merchant_closed", 409, "该商户已注销，不能再变更。"


class StoreStateRefused(Refused):
    """This store is closed and takes nobody on. Use another store."""

    code, status, zh = "store_state", 409, "该门店已关闭，请使用其他门店。"


class Merchant(msgspec.Struct, frozen=True):
    """A merchant. mcc: its category of trade, ISO 18245. country: ISO 3166, two letters."""

    id: UUID
    name: str
    mcc: str
    city: str
    country: str
    reference: str | None
    state: Literal["active", "suspended", "closed"]
    metadata: dict[str, str]
    created_at: datetime


class Store(msgspec.Struct, frozen=True):
    """A place where a merchant is paid."""

    id: UUID
    merchant: UUID
    name: str
    city: str
    state: State
    created_at: datetime


class Cashier(msgspec.Struct, frozen=True):
    """A person who takes payments in a store."""

    id: UUID
    merchant: UUID
    store: UUID
    name: str
    state: State
    created_at: datetime


class Terminal(msgspec.Struct, frozen=True):
    """A device that takes payments in a store. label: how the staff call it."""

    id: UUID
    merchant: UUID
    store: UUID
    label: str
    state: State
    created_at: datetime


class Agreement(msgspec.Struct, frozen=True):
    """A contract as agreed, in force or not. ends_on: the first day it no longer holds."""

    id: UUID
    merchant: UUID
    currency: str
    begins_on: date
    ends_on: date | None
    terms: Terms
    created_at: datetime


# The ids below are ours, never a caller's; made here so that the same registration run twice is one.


class NewMerchant(msgspec.Struct, frozen=True):
    """A merchant to register, with the terms of its first contract and the currency it is paid in."""

    name: str
    mcc: str
    city: str
    country: str = "CN"
    reference: str | None = None
    metadata: dict[str, str] = {}
    currency: str = "CNY"
    terms: Terms = Terms()
    id: UUID = msgspec.field(default_factory=new_id)


class NewStore(msgspec.Struct, frozen=True):
    """A store to open. city: the merchant's unless given."""

    merchant: UUID
    name: str
    city: str | None = None
    id: UUID = msgspec.field(default_factory=new_id)


class NewCashier(msgspec.Struct, frozen=True):
    """A cashier to take on."""

    store: UUID
    name: str
    id: UUID = msgspec.field(default_factory=new_id)


class NewTerminal(msgspec.Struct, frozen=True):
    """A terminal to set up."""

    store: UUID
    label: str
    id: UUID = msgspec.field(default_factory=new_id)


def check_trade(mcc: object, country: object) -> None:
    """Pass, or say which of the two is not one. Raises: BadMerchant."""
    if not isinstance(mcc, str) or not _MCC.fullmatch(mcc):
        raise BadMerchant("mcc")
    if not isinstance(country, str) or not _COUNTRY.fullmatch(country):
        raise BadMerchant("country")
