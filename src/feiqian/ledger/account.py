"""Accounts: opening, closing, and what a balance is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import msgspec

from feiqian.kernel.book import Turn
from feiqian.kernel.errors import Broken, Refused
from feiqian.kernel.queries import load
from feiqian.ledger.chart import chart

queries = load(Path(__file__).parent)


class AccountNotEmpty(Refused):
    """An account is closed only when nothing is left in it and nothing is held. Empty it first."""

    code, status, zh = "account_not_empty", 409, "账户仍有余额或冻结金额，请先清空再销户。"


class Account(msgspec.Struct, frozen=True):
    """An account to open. kind: its name in the chart. unit: currency or points programme."""

    id: UUID
    kind: str
    unit: str
    scale: int


class Balance(msgspec.Struct, frozen=True):
    """An account's four counters at some moment, in minor units."""

    key: int
    unit: str
    scale: int
    code: int
    debits_pending: int
    debits_posted: int
    credits_pending: int
    credits_posted: int
    id: UUID | None = None
    closed: bool = False

    @property
    def posted(self) -> int:
        """What has moved, counted on the account's normal side."""
        net = self.credits_posted - self.debits_posted
        return net if chart(self.code).side == "credit" else -net

    @property
    def held(self) -> int:
        """What is promised away by open holds."""
        return self.debits_pending if chart(self.code).side == "credit" else self.credits_pending

    @property
    def available(self) -> int:
        """What may still be spent: posted less held."""
        return self.posted - self.held


async def open_accounts(turn: Turn, accounts: Sequence[Account]) -> dict[UUID, int]:
    """Open accounts that do not exist yet. -> account key by id.

    Raises: Broken when an id exists with another kind or unit: ids are ours, never a customer's.
    """
    kinds = [chart(account.kind) for account in accounts]
    await queries.open_accounts(
        turn.connection,
        ids=[a.id for a in accounts],
        units=[a.unit for a in accounts],
        scales=[a.scale for a in accounts],
        codes=[kind.code for kind in kinds],
        debits_bounded=[kind.bounded and kind.side == "credit" for kind in kinds],
        credits_bounded=[kind.bounded and kind.side == "debit" for kind in kinds],
        at=turn.at,
    )
    rows = {
        row["id"]: row for row in await queries.account_keys(turn.connection, ids=[a.id for a in accounts])
    }
    for account, kind in zip(accounts, kinds, strict=True):
        row = rows[account.id]
        if (row["unit"], row["scale"], row["code"]) != (account.unit, account.scale, kind.code):
            raise Broken(account=account.id.hex, asked=account.kind)
    return {id: row["key"] for id, row in rows.items()}


async def close_account(turn: Turn, key: int) -> None:
    """Close an account: nothing is booked on it any more.

    Raises: AccountNotEmpty when money or a hold is left.
    """
    if await queries.close_account(turn.connection, key=key) != "UPDATE 1":
        raise AccountNotEmpty()
