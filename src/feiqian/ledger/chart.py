"""The chart of accounts and the kinds of movement: small, dated with the code, shown in the manual.

Codes go by thousands: 1 what we have, 2 what we owe, 4 what we earned, 5 what it cost, 9 what must
be explained.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class Kind(msgspec.Struct, frozen=True):
    """A kind of account. side: where its balance normally stands. bounded: it may not cross to the other."""

    code: int
    name: str
    zh: str
    side: Literal["debit", "credit"]
    bounded: bool
    about: str


CHART = (
    Kind(
        1001, "custody", "客户备付金", "debit", False, "Customer money at the central bank or custodian bank."
    ),
    Kind(2001, "customer_wallet", "个人钱包余额", "credit", True, "What we owe a person."),
    Kind(
        2002,
        "organisation_wallet",
        "单位钱包余额",
        "credit",
        True,
        "What we owe a company, school or office.",
    ),
    Kind(
        2101, "merchant_payable", "商户应付款", "credit", True, "Taken for a merchant and not yet paid out."
    ),
    Kind(4001, "fee_income", "手续费收入", "credit", False, "Fees earned from merchants and customers."),
    Kind(
        9001,
        "suspense",
        "待查挂账",
        "credit",
        False,
        "Money whose owner is not known yet; empty every evening.",
    ),
)
"""Liability accounts of customers and merchants are bounded: nobody owes us through a wallet."""


class Movement(msgspec.Struct, frozen=True):
    """A kind of movement, the `code` of a transfer."""

    code: int
    name: str
    zh: str


MOVEMENTS = (
    Movement(1, "deposit", "充值"),
    Movement(2, "price", "货款"),
    Movement(3, "fee", "手续费"),
    Movement(4, "transfer", "转账"),
    Movement(5, "refund", "退款"),
    Movement(6, "fee_refund", "手续费退回"),
    Movement(9, "correction", "更正"),
)

_kinds = {kind.name: kind for kind in CHART} | {kind.code: kind for kind in CHART}
_movements = {m.name: m for m in MOVEMENTS} | {m.code: m for m in MOVEMENTS}


def chart(name_or_code: str | int) -> Kind:
    """The kind of account of that name or code. Raises: KeyError."""
    return _kinds[name_or_code]


def movement(name_or_code: str | int) -> Movement:
    """The kind of movement of that name or code. Raises: KeyError."""
    return _movements[name_or_code]
