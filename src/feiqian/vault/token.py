"""Token: what may stand for a card, and the one function that says how far.

Source: notice 170 of 2016 on payment tokens: count, amount, validity and channel are controlled.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

import msgspec

from feiqian.kernel.errors import Refused
from feiqian.kernel.money import Money

Channel = Literal["online", "in_store", "recurring"]
PayeeKind = Literal["merchant", "person", "organisation"]
TokenState = Literal["active", "suspended", "deleted"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)
PAYEE_KINDS: tuple[PayeeKind, ...] = get_args(PayeeKind)


class TokenRefused(Refused):
    """This token is not for that payment. The control that says no is named; ask for another token."""

    code, status, zh = "token_refused", 422, "该支付标记不能用于此笔支付，原因见所列控制项；请申请新的标记。"


class BadControls(Refused):
    """A token has one control or more, each of which lets something pass. The one to mend is named."""

    code, status, zh = "bad_token_controls", 422, "支付标记须至少有一项控制，且不得使其完全不可用。"


class TokenDeleted(Refused):
    """This token was deleted. Make a new one."""

    code, status, zh = "token_deleted", 409, "该支付标记已删除，请重新申请。"


class UseReused(Refused):
    """This use was counted before, for another token or amount. Give each payment an id of its own."""

    code, status, zh = "token_use_reused", 409, "该笔使用已按另一标记或金额记过，请为每笔支付使用独立编号。"


class Controls(msgspec.Struct, frozen=True):
    """What a token may be used for. None, or nothing named, lets everything pass.

    count_max: payments. each_minor, total_minor: the most in one and in all. expires_at: the first
    moment it no longer works.
    """

    currency: str
    count_max: int | None = None
    each_minor: int | None = None
    total_minor: int | None = None
    expires_at: datetime | None = None
    channels: tuple[Channel, ...] = ()
    payee_kinds: tuple[PayeeKind, ...] = ()


class Used(msgspec.Struct, frozen=True):
    """How a token stands: what has been counted on it."""

    state: TokenState = "active"
    count: int = 0
    total_minor: int = 0


class Asked(msgspec.Struct, frozen=True):
    """A payment that would use a token. at: the book's moment."""

    amount: Money
    channel: Channel
    payee_kind: PayeeKind
    at: datetime


class Token(msgspec.Struct, frozen=True):
    """A token of a card."""

    id: UUID
    card: UUID
    controls: Controls
    used: Used
    created_at: datetime


def may_use(controls: Controls, used: Used, asked: Asked) -> TokenRefused | None:
    """None when this payment may use the token; else the first control, in this order, that says no."""
    minor = asked.amount.minor
    if used.state != "active":
        return TokenRefused(control="state", state=used.state)
    if controls.expires_at is not None and asked.at >= controls.expires_at:
        return TokenRefused(control="expires_at", expired_at=controls.expires_at)
    if asked.amount.currency != controls.currency:
        return TokenRefused(control="currency", currency=controls.currency)
    if controls.channels and asked.channel not in controls.channels:
        return TokenRefused(control="channels", channels=" ".join(controls.channels))
    if controls.payee_kinds and asked.payee_kind not in controls.payee_kinds:
        return TokenRefused(control="payee_kinds", payee_kinds=" ".join(controls.payee_kinds))
    if minor <= 0:
        return TokenRefused(control="amount")
    if controls.each_minor is not None and minor > controls.each_minor:
        return TokenRefused(control="each", most=Money(controls.each_minor, controls.currency))
    if controls.count_max is not None and used.count >= controls.count_max:
        return TokenRefused(control="count", most=controls.count_max)
    if controls.total_minor is not None and used.total_minor + minor > controls.total_minor:
        left = Money(controls.total_minor - used.total_minor, controls.currency)
        return TokenRefused(control="total", left=left)
    return None


def check_controls(controls: Controls, at: datetime) -> None:
    """Pass, or raise BadControls for controls that control nothing, or under which nothing could pass."""
    given = (controls.count_max, controls.each_minor, controls.total_minor, controls.expires_at)
    if not any(each is not None for each in given) and not controls.channels and not controls.payee_kinds:
        raise BadControls("controls", reason="none given")
    if any(isinstance(each, int) and each < 1 for each in given):
        raise BadControls("controls", reason="below one")
    if controls.expires_at is not None and controls.expires_at <= at:
        raise BadControls("expires_at", reason="past")
    if not set(controls.channels) <= set(CHANNELS) or not set(controls.payee_kinds) <= set(PAYEE_KINDS):
        raise BadControls("controls", reason="unknown channel or kind of payee")
