"""Statements: balances now and then, and the entries of one account, for wallets and for the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from litestar import Request

from feiqian.kernel.errors import NotFound
from feiqian.kernel.ids import as_id, read, show
from feiqian.kernel.money import Money
from feiqian.ledger import Balance, balances, chart, entries, find_transfer, movement, past_balance
from feiqian.ledger.transfer import EXPIRED, PENDING, VOID
from feiqian.web.api.shapes import Page, moment, one_way, page_of
from feiqian.web.caller import book_of


class EntryView(msgspec.Struct, frozen=True):
    """One entry of an account, newest first in lists.

    effect: what it did. moved: money came or went; held: it is promised away or to come; released: a
    hold was given back. amount: above zero when it came, or is to come, to this account. posted and
    held: after this entry.
    """

    id: str
    object: Literal["entry"]
    movement: str
    effect: Literal["moved", "held", "released"]
    amount: Money
    posted: Money
    held: Money
    payment: str | None
    booked_at: datetime
    business_date: date
    value_date: date


async def balance_at(request: Request[Any, Any, Any], key: int, at: str | None) -> tuple[Balance, datetime]:
    """An account's balance now or at a past moment, and that moment. Raises: NotFound, Malformed, NotYet."""
    book = book_of(request)
    now = book.clock.now()
    then = moment(at, "at", now)
    async with book.database.read() as connection:
        if then is None:
            found = (await balances(connection, [key], now)).get(key)
        else:
            found = await past_balance(connection, key, then)
    if found is None:
        raise NotFound
    return found, then or now


async def page_of_entries(
    request: Request[Any, Any, Any], key: int, limit: int, after: str | None, before: str | None
) -> Page[EntryView]:
    """A page of an account's entries. after, before: ids of transfers. Raises: NotFound, OneWay."""
    one_way(after, before)
    book = book_of(request)
    async with book.database.read() as connection:
        account = (await balances(connection, [key], book.clock.now()))[key]
        rows = await entries(
            connection,
            key,
            limit + 1,
            before=await _seq(connection, key, after, "starting_after"),
            after=await _seq(connection, key, before, "ending_before"),
        )
    shown, more = page_of(rows, limit, before)
    return Page(_shown(account, shown), more)


async def _seq(connection: Any, key: int, id: str | None, param: str) -> int | None:
    """Where an entry of this account stands. Raises: NotFound for one of another account."""
    if id is None:
        return None
    found = await find_transfer(connection, as_id(read("trf", id, param)))
    if found is None or key not in (found.debit_key, found.credit_key):
        raise NotFound(param)
    return found.seq


def _shown(account: Balance, rows: Sequence[Any]) -> list[EntryView]:
    return [_entry(account, row) for row in rows]


def _entry(account: Balance, row: Any) -> EntryView:
    side: Literal["debit", "credit"] = "debit" if row["is_debit"] else "credit"
    after = Balance(
        account.key,
        account.unit,
        account.scale,
        account.code,
        row[f"{side}_debits_pending"],
        row[f"{side}_debits_posted"],
        row[f"{side}_credits_pending"],
        row[f"{side}_credits_posted"],
    )
    effect: Literal["moved", "held", "released"] = "moved"
    if row["flags"] & PENDING:
        effect = "held"
    elif row["flags"] & (VOID | EXPIRED):
        effect = "released"
    comes = (side == chart(account.code).side) != (effect == "released")
    return EntryView(
        id=show("trf", row["id"]),
        object="entry",
        movement=movement(row["code"]).name,
        effect=effect,
        amount=Money(row["amount"] if comes else -row["amount"], account.unit),
        posted=Money(after.posted, account.unit),
        held=Money(after.held, account.unit),
        payment=show_order(row["payment"], row["code"]),
        booked_at=row["booked_at"],
        business_date=row["booked_on"],
        value_date=row["value_on"],
    )


def show_order(payment: UUID | None, code: int) -> str | None:
    """The public id of the payment, or of the refund, that a transfer of this kind belongs to."""
    if payment is None:
        return None
    return show("rfd" if movement(code).name in ("refund", "fee_refund") else "pay", payment)
