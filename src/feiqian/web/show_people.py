"""How people's things are shown: customers, organisations, their wallets with balances, their devices."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from feiqian.instruments.device import Device, IssuedDevice
from feiqian.instruments.manage import wallets_of_all
from feiqian.instruments.wallet import Wallet
from feiqian.kernel.ids import show
from feiqian.kernel.money import Money
from feiqian.ledger import Balance, balances
from feiqian.parties import Party
from feiqian.scenes.shop.payment_code import DIGITS, STEP_SECONDS

OWNER = {"customer_wallet": "cus", "organisation_wallet": "org", "merchant_payable": "mch"}
"""The prefix of who owns a wallet, by its kind."""


class BalanceView(msgspec.Struct, frozen=True):
    """posted: what is there; held: promised away by open holds; available: posted less held."""

    posted: Money
    held: Money
    available: Money


class LimitView(msgspec.Struct, frozen=True):
    """A limit the owner chose. most: minor units, or a count."""

    measure: Literal["amount", "count"]
    period: Literal["payment", "day", "year"]
    most: int


class WalletView(msgspec.Struct, frozen=True):
    """A wallet. owner: a customer, an organisation or a merchant. limits: the owner's own."""

    id: str
    object: Literal["wallet"]
    owner: str
    kind: Literal["customer_wallet", "organisation_wallet", "merchant_payable"]
    currency: str
    state: Literal["active", "frozen", "suspended", "closed"]
    balance: BalanceView
    limits: list[LimitView]


class CustomerView(msgspec.Struct, frozen=True):
    """A person with their wallets. phone: E.164; account_class: 1 to 3, by identity check."""

    id: str
    object: Literal["customer"]
    name: str
    phone: str | None
    reference: str | None
    account_class: int
    state: Literal["active", "frozen", "closed"]
    wallets: list[WalletView]
    metadata: dict[str, str]
    created_at: datetime


class OrganisationView(msgspec.Struct, frozen=True):
    """A company, school or office with its wallets."""

    id: str
    object: Literal["organisation"]
    name: str
    reference: str | None
    state: Literal["active", "frozen", "closed"]
    wallets: list[WalletView]
    metadata: dict[str, str]
    created_at: datetime


class DeviceView(msgspec.Struct, frozen=True):
    """A phone or watch that makes payment codes. alias: the nine digits that stand for it in a code."""

    id: str
    object: Literal["device"]
    customer: str
    wallet: str
    alias: str
    code_class: Literal["a", "b", "c"]
    state: Literal["active", "suspended", "removed"]
    locked_until: datetime | None
    created_at: datetime


class NewDeviceView(DeviceView, frozen=True):
    """A device just registered, with all it needs to make codes.

    secret: 32 bytes in base64url without padding, shown this once. prefix: the first digits of its
    codes; step_seconds: how long one code lives; digits: of a code.
    """

    secret: str
    prefix: str
    step_seconds: int
    digits: int


async def show_wallets(connection: Any, wallets: Sequence[Wallet], at: datetime) -> list[WalletView]:
    """The public form of wallets with their balances. at: the book's moment."""
    counted = await balances(connection, [each.account_key for each in wallets], at) if wallets else {}
    return [
        WalletView(
            id=show("wal", each.id),
            object="wallet",
            owner=show(OWNER[each.kind], each.owner),
            kind=each.kind,  # type: ignore[arg-type]
            currency=each.currency,
            state=each.state,  # type: ignore[arg-type]
            balance=show_balance(counted[each.account_key], each.currency),
            limits=[LimitView(limit.measure, limit.period, limit.most) for limit in each.limits],
        )
        for each in wallets
    ]


def show_balance(balance: Balance, currency: str) -> BalanceView:
    """The public form of a wallet's balance."""
    return BalanceView(
        Money(balance.posted, currency), Money(balance.held, currency), Money(balance.available, currency)
    )


async def show_parties(
    connection: Any, parties: Sequence[Party], at: datetime
) -> list[CustomerView | OrganisationView]:
    """The public form of persons and organisations with their wallets."""
    owned = await wallets_of_all(connection, [party.id for party in parties]) if parties else {}
    shown = iter(await show_wallets(connection, [each for one in owned.values() for each in one], at))
    views = {owner: [next(shown) for _ in wallets] for owner, wallets in owned.items()}
    return [_party(party, views[party.id]) for party in parties]


def _party(party: Party, wallets: list[WalletView]) -> CustomerView | OrganisationView:
    if party.kind == "organisation":
        return OrganisationView(
            id=show("org", party.id),
            object="organisation",
            name=party.name,
            reference=party.reference,
            state=party.state,
            wallets=wallets,
            metadata=party.metadata,
            created_at=party.created_at,
        )
    return CustomerView(
        id=show("cus", party.id),
        object="customer",
        name=party.name,
        phone=party.phone,
        reference=party.reference,
        account_class=party.account_class or 1,
        state=party.state,
        wallets=wallets,
        metadata=party.metadata,
        created_at=party.created_at,
    )


def show_device(device: Device) -> DeviceView:
    """The public form of a device, without its secret."""
    return DeviceView(
        id=show("dev", device.id),
        object="device",
        customer=show("cus", device.party),
        wallet=show("wal", device.wallet),
        alias=device.alias,
        code_class=device.code_class,
        state=device.state,
        locked_until=device.locked_until,
        created_at=device.created_at,
    )


def show_new_device(issued: IssuedDevice, prefix: str) -> NewDeviceView:
    """The one showing of a device's secret."""
    return NewDeviceView(
        **msgspec.structs.asdict(show_device(issued.device)),
        secret=base64.urlsafe_b64encode(issued.secret).rstrip(b"=").decode(),
        prefix=prefix,
        step_seconds=STEP_SECONDS,
        digits=DIGITS,
    )
