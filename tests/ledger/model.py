"""The ledger in the plainest Python: the specification that judge, tables and reads are compared with.

No database, no speed, no cleverness: state is a few dicts of values that are never changed in place,
a chain is undone by going back to the copies made before it, and what can be counted from the entries
is counted each time. Where this file and the ledger differ, one of them is wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from feiqian.ledger.transfer import (
    EXPIRED,
    LINKED,
    PENDING,
    POST,
    STICKY,
    VOID,
    Entry,
    Result,
    Transfer,
)

ZERO_ID, MAX_ID = UUID(int=0), UUID(int=2**128 - 1)
AMOUNT_MAX = 2**63 - 1
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def shanghai_day(at: datetime) -> date:
    """The business day of a book with the usual calendar."""
    return at.astimezone(ZoneInfo("Asia/Shanghai")).date()


def expiry_id(hold: UUID) -> UUID:
    """The id of the entry that records a hold's expiry: half a hash of the hold's."""
    return UUID(bytes=hashlib.sha256(b"expiry" + hold.bytes).digest()[:16])


class Account(NamedTuple):
    """An account and its four counters."""

    key: int
    unit: str
    debits_bounded: bool = False
    credits_bounded: bool = False
    closed: bool = False
    debits_pending: int = 0
    debits_posted: int = 0
    credits_pending: int = 0
    credits_posted: int = 0

    @property
    def counters(self) -> tuple[int, int, int, int]:
        return self[5:9]


class Model:
    """One book's ledger."""

    def __init__(
        self, accounts: Sequence[Account] = (), day: Callable[[datetime], date] = shanghai_day
    ) -> None:
        self.accounts = {account.key: account for account in accounts}
        self.entries: list[Entry] = []
        self.known: dict[UUID, Entry] = {}  # the same entries by id
        self.ended: dict[UUID, int] = {}  # id of a hold -> POST, VOID or EXPIRED
        self.refused: dict[UUID, Result] = {}
        self.day = day
        self.at = NEVER

    # What can be asked

    @property
    def booked_at(self) -> datetime:
        """The moment of the newest entry."""
        return self.entries[-1].booked_at if self.entries else NEVER

    def open_holds(self) -> list[Entry]:
        """Holds that nothing has ended, in booking order."""
        return [e for e in self.entries if e.flags & PENDING and e.id not in self.ended]

    def overdue(self, at: datetime) -> list[Entry]:
        """Open holds whose time is up, by the moment it was up, then in booking order."""
        due = [hold for hold in self.open_holds() if expires_at(hold) is not None and expires_at(hold) <= at]
        return sorted(due, key=lambda hold: (expires_at(hold), hold.seq))

    def counters_after(self, key: int, seq: int) -> tuple[int, int, int, int]:
        """An account's counters after an entry, added up from the first entry on."""
        debits_pending = debits_posted = credits_pending = credits_posted = 0
        for entry in self.entries[:seq]:
            hold = self.known[entry.pending_id] if entry.pending_id is not None else None
            pending = entry.amount if entry.flags & PENDING else -hold.amount if hold is not None else 0
            posted = 0 if entry.flags & (PENDING | VOID | EXPIRED) else entry.amount
            if entry.debit_key == key:
                debits_pending, debits_posted = debits_pending + pending, debits_posted + posted
            if entry.credit_key == key:
                credits_pending, credits_posted = credits_pending + pending, credits_posted + posted
        return debits_pending, debits_posted, credits_pending, credits_posted

    def counters_at(self, key: int, at: datetime) -> tuple[int, int, int, int]:
        """An account's counters after the last entry booked at or before a moment."""
        return self.counters_after(key, sum(entry.booked_at <= at for entry in self.entries))

    def balance_now(self, key: int, at: datetime) -> tuple[int, int, int, int]:
        """An account's counters with what overdue holds still claim taken off."""
        debits_pending, debits_posted, credits_pending, credits_posted = self.accounts[key].counters
        for hold in self.overdue(at):
            debits_pending -= hold.amount if hold.debit_key == key else 0
            credits_pending -= hold.amount if hold.credit_key == key else 0
        return debits_pending, debits_posted, credits_pending, credits_posted

    # What can be done

    def close(self, key: int) -> None:
        """Close an account, whatever is in it."""
        self.accounts[key] = self.accounts[key]._replace(closed=True)

    def post(self, transfers: Sequence[Transfer], now: datetime) -> list[Result]:
        """Expire what is overdue, then judge the transfers one after another. -> one result each."""
        self.at = max(now, self.booked_at)  # history never goes back
        for hold in self.overdue(self.at):
            self._expire(hold)
        return [result for chain in chains(transfers) for result in self._chain(chain)]

    def _chain(self, chain: Sequence[Transfer]) -> list[Result]:
        before = dict(self.accounts), list(self.entries), dict(self.known), dict(self.ended)
        results: list[Result] = []
        failed = False
        for number, transfer in enumerate(chain, 1):
            if number == len(chain) and transfer.flags & LINKED:
                result = Result.LINKED_EVENT_CHAIN_OPEN
            elif failed:
                result = Result.LINKED_EVENT_FAILED
            else:
                result = self._one(transfer)
                if result in STICKY:
                    self.refused[transfer.id] = result
            failed = failed or result is not Result.OK
            results.append(result)
        if failed:
            self.accounts, self.entries, self.known, self.ended = before
            results = [Result.LINKED_EVENT_FAILED if result is Result.OK else result for result in results]
        return results

    def _one(self, t: Transfer) -> Result:
        if t.id == ZERO_ID:
            return Result.ID_MUST_NOT_BE_ZERO
        if t.id == MAX_ID:
            return Result.ID_MUST_NOT_BE_INT_MAX
        if t.id in self.known:
            return against_known(t, self.known[t.id])
        if t.id in self.refused:
            return Result.ID_ALREADY_FAILED

        phases = [flag for flag in (PENDING, POST, VOID) if t.flags & flag]
        if t.flags & ~(PENDING | POST | VOID | LINKED) or len(phases) > 1:
            return Result.FLAGS_ARE_MUTUALLY_EXCLUSIVE
        ending = bool(t.flags & (POST | VOID))
        if not ending and t.pending_id is not None:
            return Result.PENDING_ID_MUST_BE_ZERO
        if ending and t.pending_id in (None, ZERO_ID):
            return Result.PENDING_ID_MUST_NOT_BE_ZERO
        if ending and t.pending_id == MAX_ID:
            return Result.PENDING_ID_MUST_NOT_BE_INT_MAX
        if ending and t.pending_id == t.id:
            return Result.PENDING_ID_MUST_BE_DIFFERENT
        if not ending and t.debit == 0:
            return Result.DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO
        if not ending and t.credit == 0:
            return Result.CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO
        if not ending and t.debit == t.credit:
            return Result.ACCOUNTS_MUST_BE_DIFFERENT
        if not t.flags & PENDING and t.timeout != 0:
            return Result.TIMEOUT_RESERVED_FOR_PENDING_TRANSFER
        if not 0 <= t.timeout < 2**31:
            return Result.TIMEOUT_OUT_OF_RANGE
        if not 0 <= t.amount <= AMOUNT_MAX:
            return Result.AMOUNT_OUT_OF_RANGE
        if not t.flags & VOID and t.amount == 0:
            return Result.AMOUNT_MUST_NOT_BE_ZERO
        if not ending and t.code == 0:
            return Result.CODE_MUST_NOT_BE_ZERO
        if not ending and not 0 < t.code < 2**15:
            return Result.CODE_OUT_OF_RANGE
        return self._end(t, t.pending_id) if ending else self._begin(t)  # type: ignore[arg-type]

    def _begin(self, t: Transfer) -> Result:
        """A plain transfer, or the first phase of one in two phases."""
        debit, credit = self.accounts.get(t.debit), self.accounts.get(t.credit)
        if debit is None:
            return Result.DEBIT_ACCOUNT_NOT_FOUND
        if credit is None:
            return Result.CREDIT_ACCOUNT_NOT_FOUND
        if debit.unit != credit.unit:
            return Result.ACCOUNTS_MUST_HAVE_THE_SAME_UNIT
        if debit.closed:
            return Result.DEBIT_ACCOUNT_ALREADY_CLOSED
        if credit.closed:
            return Result.CREDIT_ACCOUNT_ALREADY_CLOSED
        debits = debit.debits_pending + debit.debits_posted + t.amount
        credits = credit.credits_pending + credit.credits_posted + t.amount
        if debits > AMOUNT_MAX:
            return Result.OVERFLOWS_DEBITS
        if credits > AMOUNT_MAX:
            return Result.OVERFLOWS_CREDITS
        if debit.debits_bounded and debits > debit.credits_posted:
            return Result.EXCEEDS_CREDITS
        if credit.credits_bounded and credits > credit.debits_posted:
            return Result.EXCEEDS_DEBITS
        if t.flags & PENDING:
            self._move(t.debit, t.credit, pending=t.amount)
        else:
            self._move(t.debit, t.credit, posted=t.amount)
        self._book(t, debit_key=t.debit, credit_key=t.credit, amount=t.amount, code=t.code, pending_id=None)
        return Result.OK

    def _end(self, t: Transfer, pending_id: UUID) -> Result:
        """A post or void of a hold."""
        hold = self.known.get(pending_id)
        if hold is None:
            return Result.PENDING_TRANSFER_NOT_FOUND
        if not hold.flags & PENDING:
            return Result.PENDING_TRANSFER_NOT_PENDING
        if t.debit not in (0, hold.debit_key):
            return Result.PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID
        if t.credit not in (0, hold.credit_key):
            return Result.PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID
        if t.code not in (0, hold.code):
            return Result.PENDING_TRANSFER_HAS_DIFFERENT_CODE
        if t.amount > hold.amount:
            return Result.EXCEEDS_PENDING_TRANSFER_AMOUNT
        if t.flags & VOID and t.amount not in (0, hold.amount):
            return Result.PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT
        if self.ended.get(hold.id) == POST:
            return Result.PENDING_TRANSFER_ALREADY_POSTED
        if self.ended.get(hold.id) == VOID:
            return Result.PENDING_TRANSFER_ALREADY_VOIDED
        if self.ended.get(hold.id) == EXPIRED:
            return Result.PENDING_TRANSFER_EXPIRED
        if t.flags & POST and self.accounts[hold.debit_key].closed:
            return Result.DEBIT_ACCOUNT_ALREADY_CLOSED
        if t.flags & POST and self.accounts[hold.credit_key].closed:
            return Result.CREDIT_ACCOUNT_ALREADY_CLOSED
        self.ended[hold.id] = t.flags & (POST | VOID)
        self._move(
            hold.debit_key, hold.credit_key, pending=-hold.amount, posted=t.amount if t.flags & POST else 0
        )
        amount = t.amount if t.flags & POST else hold.amount
        self._book(t, hold.debit_key, hold.credit_key, amount, hold.code, hold.id)
        return Result.OK

    def _expire(self, hold: Entry) -> None:
        self.ended[hold.id] = EXPIRED
        self._move(hold.debit_key, hold.credit_key, pending=-hold.amount)
        request = Transfer(id=expiry_id(hold.id), flags=EXPIRED, payment=hold.payment)
        self._book(request, hold.debit_key, hold.credit_key, hold.amount, hold.code, hold.id)

    def _move(self, debit_key: int, credit_key: int, pending: int = 0, posted: int = 0) -> None:
        debit, credit = self.accounts[debit_key], self.accounts[credit_key]
        self.accounts[debit_key] = debit._replace(
            debits_pending=debit.debits_pending + pending, debits_posted=debit.debits_posted + posted
        )
        self.accounts[credit_key] = credit._replace(
            credits_pending=credit.credits_pending + pending, credits_posted=credit.credits_posted + posted
        )

    def _book(
        self, t: Transfer, debit_key: int, credit_key: int, amount: int, code: int, pending_id: UUID | None
    ) -> None:
        entry = Entry(
            seq=len(self.entries) + 1,
            id=t.id,
            debit_key=debit_key,
            credit_key=credit_key,
            amount=amount,
            code=code,
            flags=t.flags,
            pending_id=pending_id,
            timeout=t.timeout,
            payment=t.payment,
            value_on=t.value_on or self.day(self.at),
            booked_on=self.day(self.at),
            booked_at=self.at,
            **prefixed("debit_", self.accounts[debit_key]),
            **prefixed("credit_", self.accounts[credit_key]),
        )
        self.entries.append(entry)
        self.known[entry.id] = entry


def chains(transfers: Sequence[Transfer]) -> Iterator[list[Transfer]]:
    """Cut a batch into its chains: a run of LINKED ones and the one that follows."""
    chain: list[Transfer] = []
    for transfer in transfers:
        chain.append(transfer)
        if not transfer.flags & LINKED:
            yield chain
            chain = []
    if chain:
        yield chain


def against_known(asked: Transfer, known: Entry) -> Result:
    """The answer to an id that was booked before."""
    ending = bool(known.flags & (POST | VOID))
    if asked.flags != known.flags:
        return Result.EXISTS_WITH_DIFFERENT_FLAGS
    if asked.pending_id != known.pending_id:
        return Result.EXISTS_WITH_DIFFERENT_PENDING_ID
    if asked.timeout != known.timeout:
        return Result.EXISTS_WITH_DIFFERENT_TIMEOUT
    if asked.debit != known.debit_key and not (ending and asked.debit == 0):
        return Result.EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID
    if asked.credit != known.credit_key and not (ending and asked.credit == 0):
        return Result.EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID
    if asked.amount != known.amount and not (known.flags & VOID and asked.amount == 0):
        return Result.EXISTS_WITH_DIFFERENT_AMOUNT
    if asked.payment != known.payment:
        return Result.EXISTS_WITH_DIFFERENT_PAYMENT
    if asked.value_on is not None and asked.value_on != known.value_on:
        return Result.EXISTS_WITH_DIFFERENT_VALUE_DATE
    if asked.code != known.code and not (ending and asked.code == 0):
        return Result.EXISTS_WITH_DIFFERENT_CODE
    return Result.EXISTS


def expires_at(hold: Entry) -> Any:
    """The moment a hold's time is up; None for one that holds for ever."""
    return hold.booked_at + timedelta(seconds=hold.timeout) if hold.timeout else None


def prefixed(prefix: str, account: Account) -> dict[str, int]:
    """An account's counters as columns of an entry."""
    return {prefix + name: value for name, value in zip(Account._fields[5:], account.counters, strict=True)}
