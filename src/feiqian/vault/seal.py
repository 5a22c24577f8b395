"""Seal: one card encrypted under a data key, bound to its row, so that it opens there and nowhere else."""

from __future__ import annotations

import hashlib
import hmac
import os
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from feiqian.kernel.errors import Broken

_FORM = b"\x01"
_NONCE_BYTES, _TAG_BYTES = 12, 16
_PIECE = 64  # all plain texts are multiples of this, so that a length tells nothing


class SealedOtherwise(Broken):
    """A card does not open: it was not sealed in this row, or was changed since. Restore the row."""

    code, zh = "card_sealed_otherwise", "卡数据无法解密：不属于该行或已被改动，请恢复该行。"


class Inside(msgspec.Struct, frozen=True):
    """What only the ciphertext holds."""

    number: str
    holder_name: str | None = None

    def __repr__(self) -> str:
        return "Inside(***)"


def seal(key: bytes, inside: Inside, card: UUID, owner: UUID, group: UUID) -> bytes:
    """The card's secrets under a data key. The nonce is random: a key seals some thousands, not 2**32."""
    plain = msgspec.json.encode(inside)
    plain += b" " * (-len(plain) % _PIECE)
    nonce = os.urandom(_NONCE_BYTES)
    return _FORM + nonce + AESGCM(key).encrypt(nonce, plain, _about(card, owner, group))


def unseal(key: bytes, sealed: bytes, card: UUID, owner: UUID, group: UUID) -> Inside:
    """What was sealed for this row. Raises: SealedOtherwise."""
    nonce, rest = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    if sealed[:1] != _FORM or len(rest) < _TAG_BYTES:
        raise SealedOtherwise
    try:
        plain = AESGCM(key).decrypt(nonce, rest, _about(card, owner, group))
    except InvalidTag:
        raise SealedOtherwise from None
    return msgspec.json.decode(plain, type=Inside)


def look_up_hash(key: bytes, number: str) -> bytes:
    """What finds a number again: HMAC-SHA-256. Without the key, known first and last digits do not help."""
    return hmac.new(key, number.encode(), hashlib.sha256).digest()


def _about(card: UUID, owner: UUID, group: UUID) -> bytes:
    return b"card" + _FORM + card.bytes + owner.bytes + group.bytes
