"""Orders: an instruction to move money, fully stated, before anything happens. Made by products."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Literal
from uuid import UUID

import msgspec

from feiqian.kernel.money import Money


class Leg(msgspec.Struct, frozen=True):
    """Take from one wallet, give to another, and why: a movement's name in the chart."""

    source: UUID
    target: UUID
    amount: Money
    why: str


class Order(msgspec.Struct, frozen=True):
    """Nine fields say every order; kind and subject are its natural idempotency key.

    hold_for: how long a later capture may wait. lapse: what happens when it waited too long. gates:
    names in gates.py. fulfil: name bound in wiring.py, called once captured. refs: the typed
    references of the product, such as the class of the code that was shown.
    """

    kind: str
    subject: UUID
    legs: tuple[Leg, ...]
    capture: Literal["now", "later"] = "now"
    hold_for: timedelta | None = None
    lapse: Literal["release", "capture"] = "release"
    gates: tuple[str, ...] = ()
    fulfil: str | None = None
    refs: dict[str, str] = {}

    def fingerprint(self) -> bytes:
        """What tells this order from another of the same kind and subject. SHA-256."""
        return hashlib.sha256(msgspec.msgpack.encode((self.legs, self.capture, self.hold_for))).digest()
