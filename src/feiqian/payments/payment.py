"""Payments: the life of one order, as stored and as shown."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec


class PaidLeg(msgspec.Struct):
    """A leg and what became of it. All amounts in minor units of the payment's currency."""

    n: int
    source: UUID
    target: UUID
    amount: int
    why: str
    taken: int = 0
    returned: int = 0
    hold: UUID | None = None
    contract: UUID | None = None

    def feeds(self, fee: PaidLeg) -> bool:
        """Whether a fee is charged on this leg."""
        return self.target == fee.source and self.why == "price"


class Step(msgspec.Struct, frozen=True):
    """One line of a payment's history. state: after it."""

    payment: UUID
    n: int
    step: str
    state: str
    amount: int | None
    detail: dict[str, Any]
    at: datetime


class Payment(msgspec.Struct):
    """A row of table payment with its legs; see there for units and meaning."""

    id: UUID
    kind: str
    subject: UUID
    state: str
    currency: str
    amount: int
    held: int
    captured: int
    refunded: int
    payer: UUID
    payer_owner: UUID
    payee: UUID
    payee_owner: UUID
    reverses: UUID | None
    capture: str
    lapse: str
    hold_until: datetime | None
    counted: str
    counted_on: date
    fulfil: str | None
    refusal: dict[str, Any] | None
    refs: dict[str, str]
    fingerprint: bytes
    business_on: date
    created_at: datetime
    legs: list[PaidLeg] = []

    def copy(self) -> Payment:
        """This payment as it stands now, whatever becomes of it later in the turn."""
        return msgspec.structs.replace(self, legs=[msgspec.structs.replace(leg) for leg in self.legs])

    @property
    def giving(self) -> list[PaidLeg]:
        """The legs that take from the payer; the others only pass on what these bring."""
        return [leg for leg in self.legs if leg.source == self.payer]

    @property
    def refundable(self) -> int:
        """What may still be given back."""
        return self.captured - self.refunded

    @property
    def fee(self) -> int:
        """Fee charged so far, less fee returned."""
        return sum(leg.taken - leg.returned for leg in self.legs if leg.why == "fee")
