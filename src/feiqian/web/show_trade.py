"""How merchants' things are shown: merchants with their wallets, contracts, stores, cashiers, terminals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal

import msgspec

from feiqian.instruments.manage import wallets_of_all
from feiqian.kernel.ids import show
from feiqian.merchants import Agreement, Cashier, Merchant, Store, Terminal
from feiqian.pricing import Terms
from feiqian.web.show_people import WalletView, show_wallets


class MerchantView(msgspec.Struct, frozen=True):
    """Who is paid. mcc: category of trade, ISO 18245; country: ISO 3166."""

    id: str
    object: Literal["merchant"]
    name: str
    mcc: str
    city: str
    country: str
    reference: str | None
    state: Literal["active", "suspended", "closed"]
    wallets: list[WalletView]
    metadata: dict[str, str]
    created_at: datetime


class WaiverView(msgspec.Struct, frozen=True):
    """Days on which no fee is charged, both included."""

    begins_on: date
    ends_on: date


class TermsView(msgspec.Struct, frozen=True):
    """What one payment costs the merchant. fixed, minimum, cap: minor units; no cap when null."""

    rate_bps: int
    fixed: int
    minimum: int
    cap: int | None
    on_refund: Literal["return", "keep"]
    waivers: list[WaiverView]


class ContractView(msgspec.Struct, frozen=True):
    """Terms agreed for a currency. ends_on: the first day they no longer hold."""

    id: str
    object: Literal["contract"]
    merchant: str
    currency: str
    begins_on: date
    ends_on: date | None
    terms: TermsView


class StoreView(msgspec.Struct, frozen=True):
    """A place where a merchant is paid."""

    id: str
    object: Literal["store"]
    merchant: str
    name: str
    city: str
    state: Literal["active", "closed"]
    created_at: datetime


class CashierView(msgspec.Struct, frozen=True):
    """A person who takes payments in a store."""

    id: str
    object: Literal["cashier"]
    merchant: str
    store: str
    name: str
    state: Literal["active", "closed"]
    created_at: datetime


class TerminalView(msgspec.Struct, frozen=True):
    """A device that takes payments in a store. label: how the staff call it."""

    id: str
    object: Literal["terminal"]
    merchant: str
    store: str
    label: str
    state: Literal["active", "closed"]
    created_at: datetime


async def show_merchants(connection: Any, merchants: Sequence[Merchant], at: datetime) -> list[MerchantView]:
    """The public form of merchants with their wallets. at: the book's moment."""
    owned = await wallets_of_all(connection, [one.id for one in merchants]) if merchants else {}
    shown = iter(await show_wallets(connection, [each for one in owned.values() for each in one], at))
    views = {owner: [next(shown) for _ in wallets] for owner, wallets in owned.items()}
    return [
        MerchantView(
            id=show("mch", one.id),
            object="merchant",
            name=one.name,
            mcc=one.mcc,
            city=one.city,
            country=one.country,
            reference=one.reference,
            state=one.state,
            wallets=views[one.id],
            metadata=one.metadata,
            created_at=one.created_at,
        )
        for one in merchants
    ]


def show_contract(one: Agreement) -> ContractView:
    """The public form of a contract."""
    return ContractView(
        id=show("ctr", one.id),
        object="contract",
        merchant=show("mch", one.merchant),
        currency=one.currency,
        begins_on=one.begins_on,
        ends_on=one.ends_on,
        terms=_terms(one.terms),
    )


def _terms(terms: Terms) -> TermsView:
    return TermsView(
        rate_bps=terms.rate_bps,
        fixed=terms.fixed,
        minimum=terms.minimum,
        cap=terms.cap,
        on_refund=terms.on_refund,
        waivers=[WaiverView(each.begins_on, each.ends_on) for each in terms.waivers],
    )


def show_store(one: Store) -> StoreView:
    """The public form of a store."""
    return StoreView(
        show("sto", one.id), "store", show("mch", one.merchant), one.name, one.city, one.state, one.created_at
    )


def show_cashier(one: Cashier) -> CashierView:
    """The public form of a cashier."""
    merchant, store = show("mch", one.merchant), show("sto", one.store)
    return CashierView(show("csh", one.id), "cashier", merchant, store, one.name, one.state, one.created_at)


def show_terminal(one: Terminal) -> TerminalView:
    """The public form of a terminal."""
    merchant, store = show("mch", one.merchant), show("sto", one.store)
    return TerminalView(
        show("ter", one.id), "terminal", merchant, store, one.label, one.state, one.created_at
    )
