"""Manage: freeze, release and close wallets, set the owner's own limits, and read wallets.

A wallet that is in the state asked for already stays as it is, and nothing is announced. The house's
own wallets are not to be managed here: they are not found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec

from feiqian.instruments.limits import OwnLimit
from feiqian.instruments.wallet import HOUSE, OWNER, Wallet, audited_ids, queries
from feiqian.kernel.book import Turn
from feiqian.kernel.errors import NotFound, Refused
from feiqian.kernel.ids import show
from feiqian.kernel.money import MAX_MINOR
from feiqian.kernel.outbox import Outbox
from feiqian.ledger import close_account

_TOLD = {"frozen": "wallet.frozen", "active": "wallet.released", "closed": "wallet.closed"}
_CHANGES = {
    ("active", "frozen"),
    ("frozen", "active"),
    ("active", "closed"),
    ("frozen", "closed"),
    ("suspended", "closed"),
}


class WalletStateRefused(Refused):
    """A wallet in this state cannot go to that one. One that is closed stays closed."""

    code, status, zh = "wallet_state", 409, "钱包当前状态不能变更为目标状态；已注销的钱包不能恢复。"


class BadLimits(Refused):
    """Own limits are above zero, at most one for each measure and period."""

    code, status, zh = "bad_limits", 422, "自设限额须大于零，且每种计量和周期至多设一个。"


async def freeze(turn: Turn, wallet_id: UUID) -> Wallet:
    """From now on the wallet gives nothing; it still receives. Raises: NotFound, WalletStateRefused."""
    return await _change(turn, wallet_id, "frozen")


async def release(turn: Turn, wallet_id: UUID) -> Wallet:
    """Let a frozen wallet give again. Raises: NotFound, WalletStateRefused."""
    return await _change(turn, wallet_id, "active")


async def close(turn: Turn, wallet_id: UUID) -> Wallet:
    """Close a wallet and its account for good.

    Raises: NotFound; AccountNotEmpty when money or a hold is left in it.
    """
    return await _change(turn, wallet_id, "closed")


async def _change(turn: Turn, wallet_id: UUID, state: str) -> Wallet:
    before = await _managed(turn, wallet_id)
    if before.state == state:
        return before
    if (before.state, state) not in _CHANGES:
        raise WalletStateRefused(state=before.state, asked=state)
    if state == "closed":
        await close_account(turn, before.account_key)
    await queries.set_wallet_state(turn.connection, id=wallet_id, state=state)
    after = msgspec.structs.replace(before, state=state)
    await _tell(turn, _TOLD[state], before, after)
    return after


async def suspend_wallets(turn: Turn, merchant: UUID) -> None:
    """Suspend a merchant's payable wallets. What is told of it is told of the merchant."""
    await queries.suspend_wallets(turn.connection, owner=merchant)


async def resume_wallets(turn: Turn, merchant: UUID) -> None:
    """Undo suspend_wallets: each goes back to what it was, so a frozen one stays frozen."""
    await queries.resume_wallets(turn.connection, owner=merchant)


async def set_limits(turn: Turn, wallet_id: UUID, limits: Sequence[OwnLimit]) -> Wallet:
    """Put these own limits in place of those before; none lifts them all. In force at once.

    Raises: NotFound, BadLimits; WalletStateRefused for a closed wallet.
    """
    before = await _managed(turn, wallet_id)
    check_limits(limits)
    after = msgspec.structs.replace(before, limits=tuple(limits))
    if after == before:
        return before
    if before.state == "closed":
        raise WalletStateRefused(state="closed")
    await queries.set_wallet_limits(turn.connection, id=wallet_id, limits=after.limits)
    await _tell(turn, "wallet.limits_changed", before, after)
    return after


def check_limits(limits: Sequence[OwnLimit]) -> None:
    """Pass, or raise BadLimits naming the entry at fault as `limits.0`, `limits.1`."""
    seen = set()
    for n, limit in enumerate(limits):
        if type(limit.most) is not int or not 0 < limit.most <= MAX_MINOR:
            raise BadLimits(f"limits.{n}.most", least=1, most=MAX_MINOR)
        if limit.measure not in ("amount", "count") or limit.period not in ("payment", "day", "year"):
            raise BadLimits(f"limits.{n}")
        if (limit.measure, limit.period) in seen:
            raise BadLimits(f"limits.{n}", measure=limit.measure, period=limit.period)
        seen.add((limit.measure, limit.period))


async def wallet(connection: Any, id: UUID) -> Wallet:
    """The wallet of that id. Raises: NotFound."""
    rows = await queries.resolve_wallets(connection, ids=[id])
    if not rows:
        raise NotFound
    return _wallet(rows[0])


async def wallets_of(connection: Any, owner: UUID) -> list[Wallet]:
    """All wallets of a party or merchant, the oldest first."""
    return [_wallet(row) for row in await queries.wallets_of_owner(connection, owner=owner)]


async def wallets_of_all(connection: Any, owners: Iterable[UUID]) -> dict[UUID, list[Wallet]]:
    """The wallets of many owners at once, each owner's oldest first; who has none has an empty list."""
    found: dict[UUID, list[Wallet]] = {owner: [] for owner in owners}
    for row in await queries.wallets_of_owners(connection, owners=list(found)):
        found[row["owner"]].append(_wallet(row))
    return found


def _wallet(row: Any) -> Wallet:
    return Wallet(**{**row, "limits": msgspec.convert(row["limits"], tuple[OwnLimit, ...])})


async def _managed(turn: Turn, wallet_id: UUID) -> Wallet:
    found = await wallet(turn.connection, wallet_id)
    if found.owner == HOUSE:
        raise NotFound
    return found


async def _tell(turn: Turn, type: str, before: Wallet, wallet: Wallet) -> None:
    owner = show(OWNER[wallet.kind], wallet.owner)
    was, now = ({"state": one.state, "limits": one.limits} for one in (before, wallet))
    turn.note(type, *audited_ids(wallet), before=was, after=now)
    shown = {
        "id": show("wal", wallet.id),
        "owner": owner,
        "kind": wallet.kind,
        "currency": wallet.currency,
        "state": wallet.state,
        "limits": wallet.limits,
    }
    outbox = Outbox()
    outbox.tell(type, wallet.id, wallet.owner, {"wallet": shown})
    await outbox.write(turn)
