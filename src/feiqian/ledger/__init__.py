"""Ledger: accounts, and transfers that move money between them. Start at post.py.

A transfer debits one account and credits another by the same amount of the same unit. The words and
the order of checks follow TigerBeetle's published model; `transfer.py` holds them, `judge.py` decides
without a database, `post.py` reads, judges and writes a batch, `chain.py` makes history
tamper-evident and `verify.py` proves it.
"""

from feiqian.ledger.account import Account, Balance, close_account, open_accounts
from feiqian.ledger.chart import CHART, MOVEMENTS, chart, movement
from feiqian.ledger.post import SWEEP, Pen, is_any_overdue, open_pen, post, sweep
from feiqian.ledger.read import (
    balances,
    entries,
    entries_of,
    find_account,
    find_transfer,
    page_of_accounts,
    past_balance,
    trial_balance,
)
from feiqian.ledger.transfer import Entry, Result, Transfer, journal
from feiqian.ledger.verify import Proof, verify

__all__ = [
    "CHART",
    "MOVEMENTS",
    "SWEEP",
    "Account",
    "Balance",
    "Entry",
    "Pen",
    "Proof",
    "Result",
    "Transfer",
    "balances",
    "chart",
    "close_account",
    "entries",
    "entries_of",
    "find_account",
    "find_transfer",
    "is_any_overdue",
    "journal",
    "movement",
    "open_accounts",
    "open_pen",
    "page_of_accounts",
    "past_balance",
    "post",
    "sweep",
    "trial_balance",
    "verify",
]
