"""Wallets: whatever a payment may take from or give to, each over one ledger account of the same id."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from feiqian.instruments.limits import OwnLimit
from feiqian.kernel.book import Turn
from feiqian.kernel.currency import currency
from feiqian.kernel.errors import Refused
from feiqian.kernel.ids import as_id, new_id, show
from feiqian.kernel.queries import load
from feiqian.ledger import Account, open_accounts

queries = load(Path(__file__).parent)

HOUSE = as_id("0" * 31 + "1")
"""The institution itself, as owner of its own accounts."""

OWNER = {"customer_wallet": "cus", "organisation_wallet": "org", "merchant_payable": "mch"}
"""What the owner of a kind of wallet is called in public ids."""


class WalletNotFound(Refused):
    """There is no such wallet, or it cannot be used for this."""

    code, status, zh = "wallet_not_found", 404, "没有这个钱包，或该钱包不能用于此操作。"


class WalletFrozen(Refused):
    """This wallet is frozen; nothing can be paid from it. Ask the institution to release it."""

    code, status, zh = "wallet_frozen", 422, "该钱包已冻结，暂不能付款。请联系机构解除。"


class WalletClosed(Refused):
    """This wallet is closed. Use another one."""

    code, status, zh = "wallet_closed", 422, "该钱包已注销，请使用其他钱包。"


class WalletSuspended(Refused):
    """This wallet is suspended and takes no part in payments. Ask the institution."""

    code, status, zh = "wallet_suspended", 422, "该钱包已停用，不能收付款。请联系机构。"


class Wallet(msgspec.Struct, frozen=True):
    """A wallet with what a payment must know about its owner. kind: a kind in the chart of accounts."""

    id: UUID
    account_key: int
    owner: UUID
    kind: str
    currency: str
    state: str
    limits: tuple[OwnLimit, ...]
    owner_state: str
    account_class: int | None

    @property
    def is_customers(self) -> bool:
        """Whether limits of persons and organisations apply."""
        return self.kind in ("customer_wallet", "organisation_wallet")

    def check_gives(self) -> None:
        """Pass, or say why nothing may be taken from here."""
        if "closed" in (self.state, self.owner_state):
            raise WalletClosed("payer")
        if self.state == "suspended":
            raise WalletSuspended("payer")
        if "frozen" in (self.state, self.owner_state):
            raise WalletFrozen("payer")

    def check_takes(self) -> None:
        """Pass, or say why nothing may be given to here. A frozen wallet may still receive."""
        if "closed" in (self.state, self.owner_state):
            raise WalletClosed("payee")
        if self.state == "suspended":
            raise WalletSuspended("payee")


def audited_ids(wallet: Wallet) -> tuple[str, str]:
    """Whom the audit log names for an act on a wallet: the wallet and its owner."""
    return show("wal", wallet.id), show(OWNER[wallet.kind], wallet.owner)


async def resolve(turn: Turn, ids: Iterable[UUID]) -> dict[UUID, Wallet]:
    """Wallets by id; ids that do not exist are left out."""
    rows = await queries.resolve_wallets(turn.connection, ids=list(set(ids)))
    return {row["id"]: _wallet(row) for row in rows}


def _wallet(row: Any) -> Wallet:
    limits = msgspec.convert(row["limits"], tuple[OwnLimit, ...]) if row["limits"] else ()
    return Wallet(row[0], row[1], row[2], row[3], row[4], row[5], limits, row[7], row[8])


def house_wallet(kind: str, code: str) -> UUID:
    """The id of the institution's own account of a kind in a currency, the same in every book."""
    return as_id(hashlib.sha256(f"house/{kind}/{code}".encode()).digest()[:16])


async def open_wallets(turn: Turn, asked: Sequence[tuple[UUID, str, str]]) -> list[UUID]:
    """Open wallets for (owner, kind, currency code); one that exists is returned as it is. -> ids."""
    owners = [owner for owner, _, _ in asked]
    before = await _found(turn, owners)
    fresh = {triple: _fresh_id(triple) for triple in asked if triple not in before}
    if fresh:
        accounts = [Account(id, kind, code, currency(code).exponent) for (_, kind, code), id in fresh.items()]
        keys = await open_accounts(turn, accounts)
        await queries.add_wallets(
            turn.connection,
            ids=list(fresh.values()),
            keys=[keys[id] for id in fresh.values()],
            owners=[owner for owner, _, _ in fresh],
            kinds=[kind for _, kind, _ in fresh],
            currencies=[code for _, _, code in fresh],
            at=turn.at,
        )
    return [before.get(triple) or fresh[triple] for triple in asked]


def _fresh_id(triple: tuple[UUID, str, str]) -> UUID:
    owner, kind, code = triple
    return house_wallet(kind, code) if owner == HOUSE else new_id()


async def _found(turn: Turn, owners: Sequence[UUID]) -> dict[tuple[UUID, str, str], UUID]:
    rows = await queries.find_wallets(turn.connection, owners=list(set(owners)))
    return {(row["owner"], row["kind"], row["currency"]): row["id"] for row in rows}
