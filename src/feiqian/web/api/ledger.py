"""The ledger as operators see it: accounts, entries, transfers, the trial balance, the proof."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath, QueryParameter

from feiqian.kernel.errors import Malformed, NotFound
from feiqian.kernel.ids import as_id, read, show
from feiqian.ledger import (
    CHART,
    Balance,
    Entry,
    balances,
    chart,
    find_account,
    find_transfer,
    movement,
    page_of_accounts,
    trial_balance,
    verify,
)
from feiqian.ledger.transfer import EXPIRED, LINKED, PENDING, POST, VOID
from feiqian.web.api.shapes import EndingBefore, Limit, Page, StartingAfter, one_way, page_of
from feiqian.web.api.statement import EntryView, balance_at, page_of_entries, show_order
from feiqian.web.api.wallets import At
from feiqian.web.caller import book_of

Kind = Annotated[
    str | None,
    QueryParameter(
        name="kind",
        max_length=64,
        schema_extra={"enum": [each.name for each in CHART]},
        description="Only accounts of this kind in the chart.",
    ),
]
Unit = Annotated[
    str | None, QueryParameter(name="unit", max_length=64, description="Only accounts in this unit.")
]

_OPT: dict[str, Any] = {"scope": "ledger:read", "operator": True}
_FLAGS = {PENDING: "pending", POST: "post", VOID: "void", LINKED: "linked", EXPIRED: "expired"}


class CountersView(msgspec.Struct, frozen=True):
    """An account's counters in minor units; posted, held and available count on its normal side."""

    debits_pending: int
    debits_posted: int
    credits_pending: int
    credits_posted: int
    posted: int
    held: int
    available: int


class AccountView(msgspec.Struct, frozen=True):
    """An account. scale: digits of its unit behind the point; side: where its balance normally stands."""

    id: str
    object: Literal["account"]
    kind: str
    unit: str
    scale: int
    side: Literal["debit", "credit"]
    closed: bool
    balance: CountersView


class AccountMomentView(msgspec.Struct, frozen=True):
    """An account's balance at a moment."""

    object: Literal["account_balance"]
    account: str
    at: datetime
    unit: str
    balance: CountersView


class TransferView(msgspec.Struct, frozen=True):
    """A transfer as booked, with the counters of both accounts after it. pending: the hold that it ends."""

    id: str
    object: Literal["transfer"]
    seq: int
    movement: str
    flags: list[Literal["pending", "post", "void", "linked", "expired"]]
    debit: str
    credit: str
    amount: int
    unit: str
    pending: str | None
    timeout_seconds: int
    payment: str | None
    booked_at: datetime
    business_date: date
    value_date: date
    debit_after: CountersView
    credit_after: CountersView


class TrialLine(msgspec.Struct, frozen=True):
    """What all accounts of a kind hold in a unit, in minor units."""

    kind: str
    unit: str
    accounts: int
    debits: int
    credits: int
    debits_pending: int
    credits_pending: int


class TrialBalanceView(msgspec.Struct, frozen=True):
    """The trial balance. balanced: in every unit debits equal credits."""

    object: Literal["trial_balance"]
    at: datetime
    balanced: bool
    lines: list[TrialLine]


class ProofView(msgspec.Struct, frozen=True):
    """What replaying the whole ledger found. head: the newest hash; faults: the first few, in words."""

    object: Literal["proof"]
    ok: bool
    entries: int
    blocks: int
    accounts: int
    head: str
    chain: bool
    balances: bool
    zero: bool
    holds: bool
    floors: bool
    faults: list[str]


@get("/v1/ledger/accounts", opt=_OPT, tags=["ledger"])
async def list_accounts(
    request: Request[Any, Any, Any],
    kind: Kind = None,
    unit: Unit = None,
    limit: Limit = 20,
    starting_after: StartingAfter = None,
    ending_before: EndingBefore = None,
) -> Page[AccountView]:
    """List accounts, the last opened first."""
    one_way(starting_after, ending_before)
    book = book_of(request)
    async with book.database.read() as connection:
        keys = await page_of_accounts(
            connection,
            limit + 1,
            above=None if ending_before is None else await _key(connection, ending_before, "ending_before"),
            below=None
            if starting_after is None
            else await _key(connection, starting_after, "starting_after"),
            code=_code(kind),
            unit=unit,
        )
        shown, more = page_of(keys, limit, ending_before)
        found = await balances(connection, shown, book.clock.now())
    return Page([_account(found[key]) for key in shown], more)


@get("/v1/ledger/accounts/{account_id:str}", opt=_OPT, tags=["ledger"])
async def get_account(request: Request[Any, Any, Any], account_id: FromPath[str]) -> AccountView:
    """See one account."""
    book = book_of(request)
    async with book.database.read() as connection:
        key = await _key(connection, account_id, "account_id")
        return _account((await balances(connection, [key], book.clock.now()))[key])


@get("/v1/ledger/accounts/{account_id:str}/balance", opt=_OPT, tags=["ledger"])
async def get_account_balance(
    request: Request[Any, Any, Any], account_id: FromPath[str], at: At = None
) -> AccountMomentView:
    """See an account's balance, now or at any past moment."""
    async with book_of(request).database.read() as connection:
        key = await _key(connection, account_id, "account_id")
    balance, then = await balance_at(request, key, at)
    return AccountMomentView("account_balance", account_id, then, balance.unit, _counters(balance))


@get("/v1/ledger/accounts/{account_id:str}/entries", opt=_OPT, tags=["ledger"])
async def list_account_entries(
    request: Request[Any, Any, Any],
    account_id: FromPath[str],
    limit: Limit = 20,
    starting_after: StartingAfter = None,
    ending_before: EndingBefore = None,
) -> Page[EntryView]:
    """List an account's entries, newest first, each with the balance after it."""
    async with book_of(request).database.read() as connection:
        key = await _key(connection, account_id, "account_id")
    return await page_of_entries(request, key, limit, starting_after, ending_before)


@get("/v1/ledger/trial_balance", opt=_OPT, tags=["ledger"])
async def get_trial_balance(request: Request[Any, Any, Any]) -> TrialBalanceView:
    """See what each kind of account holds, per unit, and whether debits equal credits."""
    book = book_of(request)
    async with book.database.read() as connection:
        at = book.clock.now()
        rows = await trial_balance(connection)
    lines = [
        TrialLine(
            chart(row["code"]).name,
            row["unit"],
            row["accounts"],
            int(row["debits"]),
            int(row["credits"]),
            int(row["debits_pending"]),
            int(row["credits_pending"]),
        )
        for row in rows
    ]
    left: dict[str, int] = {}
    for line in lines:
        left[line.unit] = left.get(line.unit, 0) + line.debits - line.credits
    return TrialBalanceView("trial_balance", at, not any(left.values()), lines)


@get("/v1/ledger/transfers/{transfer_id:str}", opt=_OPT, tags=["ledger"])
async def get_transfer(request: Request[Any, Any, Any], transfer_id: FromPath[str]) -> TransferView:
    """See one transfer as booked."""
    book = book_of(request)
    async with book.database.read() as connection:
        entry = await find_transfer(connection, as_id(read("trf", transfer_id, "transfer_id")))
        if entry is None:
            raise NotFound("transfer_id")
        sides = await balances(connection, [entry.debit_key, entry.credit_key], book.clock.now())
    return _transfer(entry, sides[entry.debit_key], sides[entry.credit_key])


@post("/v1/ledger/verify", opt=_OPT, tags=["ledger"], status_code=200)
async def verify_ledger(request: Request[Any, Any, Any]) -> ProofView:
    """Replay every entry from the first on and prove chain, balances, sums, holds and bounds."""
    async with (
        book_of(request).database.read() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        proof = await verify(connection)
    return ProofView("proof", proof.ok, **msgspec.structs.asdict(proof))


async def _key(connection: Any, id: str, param: str) -> int:
    key = await find_account(connection, as_id(read("acc", id, param)))
    if key is None:
        raise NotFound(param)
    return key


def _code(kind: str | None) -> int | None:
    if kind is None:
        return None
    for each in CHART:
        if each.name == kind:
            return each.code
    raise Malformed("kind", reason="not in the chart of accounts")


def _account(balance: Balance) -> AccountView:
    assert balance.id is not None
    kind = chart(balance.code)
    return AccountView(
        show("acc", balance.id),
        "account",
        kind.name,
        balance.unit,
        balance.scale,
        kind.side,
        balance.closed,
        _counters(balance),
    )


def _counters(balance: Balance) -> CountersView:
    return CountersView(
        balance.debits_pending,
        balance.debits_posted,
        balance.credits_pending,
        balance.credits_posted,
        balance.posted,
        balance.held,
        balance.available,
    )


def _transfer(entry: Entry, debit: Balance, credit: Balance) -> TransferView:
    assert debit.id is not None
    assert credit.id is not None
    return TransferView(
        id=show("trf", entry.id),
        object="transfer",
        seq=entry.seq,
        movement=movement(entry.code).name,
        flags=[name for flag, name in _FLAGS.items() if entry.flags & flag],  # type: ignore[misc]
        debit=show("acc", debit.id),
        credit=show("acc", credit.id),
        amount=entry.amount,
        unit=debit.unit,
        pending=None if entry.pending_id is None else show("trf", entry.pending_id),
        timeout_seconds=entry.timeout,
        payment=show_order(entry.payment, entry.code),
        booked_at=entry.booked_at,
        business_date=entry.booked_on,
        value_date=entry.value_on,
        debit_after=_counters(_after(debit, entry[13:17])),
        credit_after=_counters(_after(credit, entry[17:21])),
    )


def _after(account: Balance, counters: tuple[int, ...]) -> Balance:
    debits_pending, debits_posted, credits_pending, credits_posted = counters
    return msgspec.structs.replace(
        account,
        debits_pending=debits_pending,
        debits_posted=debits_posted,
        credits_pending=credits_pending,
        credits_posted=credits_posted,
    )


ROUTES = [
    list_accounts,
    get_account,
    get_account_balance,
    list_account_entries,
    get_trial_balance,
    get_transfer,
    verify_ledger,
]
