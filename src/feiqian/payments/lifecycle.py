"""The life of a payment: one table, one interpreter. Printed in docs/reference/states.md."""

from __future__ import annotations

from typing import NamedTuple

from feiqian.kernel.errors import Refused


class WrongState(Refused):
    """The payment's state does not allow this. Look at its state and steps first."""

    code, status, zh = "wrong_state", 409, "支付单当前状态不允许该操作，请先查看其状态与步骤。"


class Change(NamedTuple):
    """From a state, by a step, to a state."""

    start: str
    step: str
    end: str


LIFECYCLE = (
    Change("created", "gate_held", "held"),
    Change("created", "refused", "refused"),
    Change("held", "refused", "refused"),
    Change("created", "authorised", "authorised"),
    Change("held", "authorised", "authorised"),
    Change("created", "sent", "sent"),
    Change("held", "sent", "sent"),
    Change("held", "lapsed", "expired"),
    Change("sent", "rail_yes", "authorised"),
    Change("sent", "rail_no", "declined"),
    Change("sent", "rail_silent", "sent"),
    Change("authorised", "part_captured", "authorised"),
    Change("authorised", "captured", "captured"),
    Change("authorised", "voided", "voided"),
    Change("authorised", "rest_released", "captured"),
    Change("authorised", "lapsed", "voided"),
    Change("authorised", "lapsed_captured", "captured"),
    Change("captured", "part_refunded", "captured"),
    Change("captured", "refunded", "refunded"),
    Change("captured", "disputed", "disputed"),
    Change("disputed", "won", "captured"),
    Change("disputed", "lost", "charged_back"),
)
"""`rest_released`: part was captured and the rest of the hold given back, by request or by time."""

STATES = tuple(dict.fromkeys(state for change in LIFECYCLE for state in (change.start, change.end)))

_NEXT = {(change.start, change.step): change.end for change in LIFECYCLE}


def after(state: str, step: str) -> str:
    """The state after a step. Raises: WrongState when the table has no such change."""
    try:
        return _NEXT[state, step]
    except KeyError:
        raise WrongState(state=state, step=step) from None
