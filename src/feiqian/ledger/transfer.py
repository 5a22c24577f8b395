"""Transfers: the one thing that moves money, and every answer the ledger can give about one.

The members of Result stand in the order in which they are checked; names and order are a contract,
tested against the model in tests/ledger/model.py. They follow TigerBeetle's, with "unit" for its
"ledger".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import msgspec

PENDING = 1
POST = 2  # end a hold by moving up to the held amount; the rest is released
VOID = 4  # end a hold by releasing it
LINKED = 8  # stands or falls with the next one in the batch
EXPIRED = 16  # written by the ledger itself when a hold's time is up

AMOUNT_MAX = 2**63 - 1
ID_MAX = 2**128 - 1
TIMEOUT_MAX = 2**31 - 1  # 68 years
CODE_MAX = 2**15 - 1


class Transfer(msgspec.Struct, frozen=True, gc=False):
    """What a client asks for. amount: minor units.

    debit and credit are account keys, 0 in a post or void meaning "as held". An amount of 0 in a
    void means all of it. timeout: seconds a pending transfer holds, 0 for ever. value_on: None
    means the business day of the booking.
    """

    id: UUID
    debit: int = 0
    credit: int = 0
    amount: int = 0
    code: int = 0
    flags: int = 0
    pending_id: UUID | None = None
    timeout: int = 0
    payment: UUID | None = None
    value_on: date | None = None


class Entry(NamedTuple):
    """A transfer as booked, a row of table transfer: the counters are those after it."""

    seq: int
    id: UUID
    debit_key: int
    credit_key: int
    amount: int
    code: int
    flags: int
    pending_id: UUID | None
    timeout: int
    payment: UUID | None
    value_on: date
    booked_on: date
    booked_at: datetime  # in UTC
    debit_debits_pending: int
    debit_debits_posted: int
    debit_credits_pending: int
    debit_credits_posted: int
    credit_debits_pending: int
    credit_debits_posted: int
    credit_credits_pending: int
    credit_credits_posted: int


class Result(StrEnum):
    """The ledger's answer to one transfer, in order of checking."""

    OK = "ok"
    LINKED_EVENT_CHAIN_OPEN = "linked_event_chain_open"
    LINKED_EVENT_FAILED = "linked_event_failed"
    ID_MUST_NOT_BE_ZERO = "id_must_not_be_zero"
    ID_MUST_NOT_BE_INT_MAX = "id_must_not_be_int_max"
    # the id is known
    EXISTS_WITH_DIFFERENT_FLAGS = "exists_with_different_flags"
    EXISTS_WITH_DIFFERENT_PENDING_ID = "exists_with_different_pending_id"
    EXISTS_WITH_DIFFERENT_TIMEOUT = "exists_with_different_timeout"
    EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID = "exists_with_different_debit_account_id"
    EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID = "exists_with_different_credit_account_id"
    EXISTS_WITH_DIFFERENT_AMOUNT = "exists_with_different_amount"
    EXISTS_WITH_DIFFERENT_PAYMENT = "exists_with_different_payment"
    EXISTS_WITH_DIFFERENT_VALUE_DATE = "exists_with_different_value_date"
    EXISTS_WITH_DIFFERENT_CODE = "exists_with_different_code"
    EXISTS = "exists"
    ID_ALREADY_FAILED = "id_already_failed"
    # the transfer alone
    FLAGS_ARE_MUTUALLY_EXCLUSIVE = "flags_are_mutually_exclusive"
    PENDING_ID_MUST_BE_ZERO = "pending_id_must_be_zero"
    PENDING_ID_MUST_NOT_BE_ZERO = "pending_id_must_not_be_zero"
    PENDING_ID_MUST_NOT_BE_INT_MAX = "pending_id_must_not_be_int_max"
    PENDING_ID_MUST_BE_DIFFERENT = "pending_id_must_be_different"
    DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO = "debit_account_id_must_not_be_zero"
    CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO = "credit_account_id_must_not_be_zero"
    ACCOUNTS_MUST_BE_DIFFERENT = "accounts_must_be_different"
    TIMEOUT_RESERVED_FOR_PENDING_TRANSFER = "timeout_reserved_for_pending_transfer"
    TIMEOUT_OUT_OF_RANGE = "timeout_out_of_range"
    AMOUNT_OUT_OF_RANGE = "amount_out_of_range"
    AMOUNT_MUST_NOT_BE_ZERO = "amount_must_not_be_zero"
    CODE_MUST_NOT_BE_ZERO = "code_must_not_be_zero"
    CODE_OUT_OF_RANGE = "code_out_of_range"
    # a post or void against its hold
    PENDING_TRANSFER_NOT_FOUND = "pending_transfer_not_found"
    PENDING_TRANSFER_NOT_PENDING = "pending_transfer_not_pending"
    PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID = "pending_transfer_has_different_debit_account_id"
    PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID = "pending_transfer_has_different_credit_account_id"
    PENDING_TRANSFER_HAS_DIFFERENT_CODE = "pending_transfer_has_different_code"
    EXCEEDS_PENDING_TRANSFER_AMOUNT = "exceeds_pending_transfer_amount"
    PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT = "pending_transfer_has_different_amount"
    PENDING_TRANSFER_ALREADY_POSTED = "pending_transfer_already_posted"
    PENDING_TRANSFER_ALREADY_VOIDED = "pending_transfer_already_voided"
    PENDING_TRANSFER_EXPIRED = "pending_transfer_expired"
    # against the accounts
    DEBIT_ACCOUNT_NOT_FOUND = "debit_account_not_found"
    CREDIT_ACCOUNT_NOT_FOUND = "credit_account_not_found"
    ACCOUNTS_MUST_HAVE_THE_SAME_UNIT = "accounts_must_have_the_same_unit"
    DEBIT_ACCOUNT_ALREADY_CLOSED = "debit_account_already_closed"
    CREDIT_ACCOUNT_ALREADY_CLOSED = "credit_account_already_closed"
    OVERFLOWS_DEBITS = "overflows_debits"
    OVERFLOWS_CREDITS = "overflows_credits"
    EXCEEDS_CREDITS = "exceeds_credits"
    EXCEEDS_DEBITS = "exceeds_debits"


STICKY = frozenset(
    {
        Result.PENDING_TRANSFER_NOT_FOUND,
        Result.DEBIT_ACCOUNT_NOT_FOUND,
        Result.CREDIT_ACCOUNT_NOT_FOUND,
        Result.DEBIT_ACCOUNT_ALREADY_CLOSED,
        Result.CREDIT_ACCOUNT_ALREADY_CLOSED,
        Result.OVERFLOWS_DEBITS,
        Result.OVERFLOWS_CREDITS,
        Result.EXCEEDS_CREDITS,
        Result.EXCEEDS_DEBITS,
    }
)
"""Refusals that depend on what may change: the id keeps them, so that a late retry cannot succeed."""


def journal(transfers: Sequence[Transfer]) -> list[Transfer]:
    """The same transfers as one chain: all are booked or none is."""
    return [
        msgspec.structs.replace(transfer, flags=transfer.flags | LINKED) for transfer in transfers[:-1]
    ] + list(transfers[-1:])
