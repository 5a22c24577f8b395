"""Reads: balances now and at any past moment, an account's entries, the trial balance."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from feiqian.kernel.queries import load
from feiqian.ledger.account import Balance
from feiqian.ledger.transfer import Entry

queries = load(Path(__file__).parent)

_END = 2**63 - 1
_KEY_MAX = 2**31 - 1


async def balances(connection: Any, keys: Sequence[int], at: datetime) -> dict[int, Balance]:
    """Balances by account key as of now. at: the book's moment; holds overdue by then count as released."""
    rows = await queries.balances(connection, keys=list(keys), at=at)
    return {row["key"]: Balance(**dict(row)) for row in rows}


async def past_balance(connection: Any, key: int, at: datetime) -> Balance | None:
    """The balance after the last entry booked at or before a past moment. None: no such account.

    Two index look-ups, whatever the length of history.
    """
    account = (await balances(connection, [key], at)).get(key)
    if account is None:
        return None
    seq = await queries.last_seq_at(connection, at=at)
    row = await queries.past_counters(connection, key=key, seq=seq or 0)
    counters = (
        dict(row)
        if row
        else dict.fromkeys(("debits_pending", "debits_posted", "credits_pending", "credits_posted"), 0)
    )
    return Balance(account.key, account.unit, account.scale, account.code, **counters, id=account.id)


async def entries(
    connection: Any, key: int, limit: int, before: int | None = None, after: int | None = None
) -> list[Any]:
    """An account's rows of table transfer with `is_debit`, newest first.

    before, after: exclusive sequence numbers. With only `after`, the page just above it.
    """
    if before is None and after is not None:
        rows = await queries.entries_after(connection, key=key, before=_END, after=after, most=limit)
        return list(reversed(rows))
    rows = await queries.entries_before(
        connection, key=key, before=_END if before is None else before, after=after or 0, most=limit
    )
    return list(rows)


async def entries_of(connection: Any, payment: UUID) -> list[Any]:
    """The transfers of one payment in booking order."""
    return list(await queries.entries_of_payment(connection, payment=payment))


async def trial_balance(connection: Any) -> list[Any]:
    """Per unit and kind of account: number of accounts and their summed counters."""
    return list(await queries.trial_balance(connection))


async def find_account(connection: Any, id: UUID) -> int | None:
    """The key of the account of that id."""
    rows = await queries.account_keys(connection, ids=[id])
    return int(rows[0]["key"]) if rows else None


async def find_transfer(connection: Any, id: UUID) -> Entry | None:
    """The transfer of that id, as booked."""
    rows = await queries.known_transfers(connection, ids=[id])
    return Entry(*rows[0]) if rows else None


async def page_of_accounts(
    connection: Any,
    limit: int,
    *,
    above: int | None = None,
    below: int | None = None,
    code: int | None = None,
    unit: str | None = None,
) -> list[int]:
    """Keys of accounts, the newest first, between two keys left out; with `above` the page just above it.

    code: only accounts of this code in the chart. unit: only accounts in it.
    """
    up = above is not None
    rows = await queries.accounts_page(
        connection,
        above=above if above is not None else _KEY_MAX,
        below=below if below is not None else 0 if up else _KEY_MAX,
        down=0 if up else limit,
        up=limit if up else 0,
        code=code,
        unit=unit,
    )
    return [row["key"] for row in rows]
