"""Fees: a rate, a fixed part, a minimum, a cap, and days on which nothing is charged."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec


class Waiver(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Days on which no fee is charged, for instance a promotion. Both days included."""

    begins_on: date
    ends_on: date


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an acquirer charges a merchant for one payment.

    rate_bps: hundredths of a percent of the amount. fixed, minimum, cap: minor units; a cap of None
    is no cap. on_refund: whether the fee on what is given back is returned too, or kept.
    """

    rate_bps: int = 0
    fixed: int = 0
    minimum: int = 0
    cap: int | None = None
    on_refund: Literal["return", "keep"] = "return"
    waivers: tuple[Waiver, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.rate_bps <= 10_000 or self.fixed < 0 or self.minimum < 0:
            raise ValueError("rate_bps must be 0 to 10000, fixed and minimum 0 or more")
        if self.cap is not None and self.cap < self.minimum:
            raise ValueError("cap must not be below minimum")


def fee(amount: int, terms: Terms, on: date) -> int:
    """The fee for an amount on a day, in minor units.

    Rate times amount, rounded half up once, plus the fixed part, then raised to the minimum, cut to
    the cap, and never more than the amount itself: a merchant is not asked to pay for being paid.
    """
    if amount <= 0 or any(waiver.begins_on <= on <= waiver.ends_on for waiver in terms.waivers):
        return 0
    charged = (amount * terms.rate_bps + 5_000) // 10_000 + terms.fixed
    charged = max(charged, terms.minimum)
    if terms.cap is not None:
        charged = min(charged, terms.cap)
    return min(charged, amount)
