"""Key: what an API key is, what scopes there are, and how secrets are written and kept."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import date, datetime
from typing import Literal, NamedTuple
from uuid import UUID

import msgspec

from feiqian.kernel.errors import Refused

API_VERSION = date(2026, 11, 1)
"""The version of behaviour that new keys are pinned to."""

Kind = Literal["live", "sandbox"]

PREFIX: dict[Kind, str] = {"live": "sk_live_", "sandbox": "sk_test_"}
SECRET_BYTES = 32

_RANDOM = re.compile(r"[A-Za-z0-9_-]{43}")


class Scope(NamedTuple):
    """What a scope allows, as people read it."""

    en: str
    zh: str


SCOPES: dict[str, Scope] = {
    "customers:read": Scope("See customers, their wallets and devices", "查看客户及其钱包和设备"),
    "customers:write": Scope(
        "Register and change customers, wallets and devices", "登记和变更客户、钱包和设备"
    ),
    "merchants:read": Scope("See merchants, stores and contracts", "查看商户、门店和合同"),
    "merchants:write": Scope(
        "Register and change merchants, stores and contracts", "登记和变更商户、门店和合同"
    ),
    "payments:read": Scope("See purchases, payments and refunds", "查看订单、支付和退款"),
    "payments:write": Scope("Make, capture and cancel purchases and payments", "发起、请款和取消订单与支付"),
    "refunds:write": Scope("Give money back to payers", "向付款方退款"),
    "wallets:pay": Scope("Pay shops from customers' wallets", "用客户的钱包向商户付款"),
    "transfers:write": Scope("Send money from person to person", "在个人之间转账"),
    "deposits:write": Scope("Book money that came in from outside", "登记从外部存入的资金"),
    "cards:read": Scope("See cards and their tokens", "查看银行卡及支付标记"),
    "cards:write": Scope("Bind and unbind cards, make and change tokens", "绑定、解绑银行卡，管理支付标记"),
    "events:read": Scope("Read what has happened", "读取事件"),
    "ledger:read": Scope("See accounts, entries and proofs", "查看账户、分录和校验证明"),
    "audit:read": Scope("See who did what, and who looked at whom", "查看审计日志"),
    "keys:write": Scope("Make, rotate and revoke API keys", "创建、轮换和吊销密钥"),
    "metrics:read": Scope("Read technical figures", "读取技术指标"),
    "clock:write": Scope("Move the clock of a sandbox", "拨动沙盒时钟"),
}


class Unauthenticated(Refused):
    """No valid API key was shown. Send `Authorization: Bearer` and a key of this environment."""

    code, status, zh = (
        "unauthenticated",
        401,
        "未提供有效的密钥，请在 Authorization 头中以 Bearer 方式提供本环境的密钥。",
    )


class Forbidden(Refused):
    """This key may not do that. Use a key with the scope named."""

    code, status, zh = "forbidden", 403, "该密钥无权进行此操作，请使用具有所列权限的密钥。"


class BadScopes(Refused):
    """A key has one or more of the scopes there are."""

    code, status, zh = "bad_scopes", 422, "密钥须至少具有一项有效的权限。"


class BadOverlap(Refused):
    """The old key may work beside the new one for 30 days at most."""

    code, status, zh = "bad_overlap", 422, "新旧密钥并存时间最长为 30 天。"


class KeyEnded(Refused):
    """This key has ended or been replaced already. Make a new one, or rotate the one that replaced it."""

    code, status, zh = "key_ended", 409, "该密钥已失效或已被替换，请新建密钥或轮换替换后的密钥。"


class ApiKey(msgspec.Struct, frozen=True):
    """A key without its secret. principal: whose requests these are, the same after a rotation.

    merchant: set when it sees and touches only this merchant's objects. tail: the secret's last four
    characters. ends_at: the first moment it no longer works.
    """

    id: UUID
    principal: UUID
    merchant: UUID | None
    name: str
    scopes: tuple[str, ...]
    tail: str
    version: date
    created_at: datetime
    ends_at: datetime | None

    def has_ended(self, at: datetime) -> bool:
        """Whether it no longer works at this moment."""
        return self.ends_at is not None and at >= self.ends_at


class NewKey(msgspec.Struct, frozen=True):
    """Id and secret of a key to be; made before the turn, so that a turn run twice makes one key."""

    id: UUID
    secret: str

    def __repr__(self) -> str:
        return f"NewKey(id={self.id})"


def new_secret(kind: Kind) -> str:
    """A secret for a book of this kind: the kind's prefix and 43 characters of chance."""
    return PREFIX[kind] + secrets.token_urlsafe(SECRET_BYTES)


def is_secret_for(kind: Kind, text: str) -> bool:
    """Whether text is written like a secret for a book of this kind."""
    prefix = PREFIX[kind]
    return text.startswith(prefix) and _RANDOM.fullmatch(text, len(prefix)) is not None


def digest(secret: str) -> bytes:
    """What is kept of a secret. Without salt or delay: nobody guesses 256 random bits."""
    return hashlib.sha256(secret.encode()).digest()


def check_scopes(scopes: object) -> tuple[str, ...]:
    """Each once, in the order of the table. Raises: BadScopes."""
    if isinstance(scopes, str) or not isinstance(scopes, (list, tuple, set, frozenset)) or not scopes:
        raise BadScopes("scopes", reason="none given")
    if any(not isinstance(scope, str) or scope not in SCOPES for scope in scopes):
        raise BadScopes("scopes", known=" ".join(SCOPES))
    return tuple(scope for scope in SCOPES if scope in scopes)
