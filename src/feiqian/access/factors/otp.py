"""One-time numbers: HOTP counts (RFC 4226), TOTP counts time (RFC 6238). Pure.

The third kind, which also answers a question, is ocra.py.
"""

from __future__ import annotations

import hmac
from typing import Literal

from feiqian.kernel.errors import Refused

Algorithm = Literal["SHA1", "SHA256", "SHA512"]

ALGORITHMS: dict[str, str] = {"SHA1": "sha1", "SHA256": "sha256", "SHA512": "sha512"}
COUNTER_MAX = 2**64 - 1


class BadOtp(Refused):
    """A one-time number cannot be made so. Give a key, a counter of 0 or more and 1 to 10 digits."""

    code, status, zh = "bad_otp", 422, "无法按此生成一次性口令：须有密钥、非负计数和 1 至 10 位长度。"


def hotp(key: bytes, counter: int, digits: int = 6, algorithm: str = "SHA1") -> str:
    """The number for this count. counter: 0 to 2**64 - 1. digits: 1 to 10.

    Raises: BadOtp.
    """
    if algorithm not in ALGORITHMS:
        raise BadOtp("algorithm", known=" ".join(ALGORITHMS))
    if not key:
        raise BadOtp("key", reason="empty")
    if not 0 <= counter <= COUNTER_MAX:
        raise BadOtp("counter", reason="out of range")
    return truncate(hmac.digest(key, counter.to_bytes(8, "big"), ALGORITHMS[algorithm]), digits)


def totp(key: bytes, unix_time: int, digits: int = 6, algorithm: str = "SHA1", step_seconds: int = 30) -> str:
    """The number for this moment: HOTP of the steps since 1970. Raises: BadOtp."""
    return hotp(key, step_of(unix_time, step_seconds), digits, algorithm)


def step_of(unix_time: int, step_seconds: int = 30) -> int:
    """Which step a moment lies in. unix_time: seconds since 1970, 0 or more. Raises: BadOtp."""
    if step_seconds < 1:
        raise BadOtp("step_seconds", reason="below 1")
    if unix_time < 0:
        raise BadOtp("unix_time", reason="before 1970")
    return unix_time // step_seconds


def truncate(mac: bytes, digits: int) -> str:
    """31 bits of the MAC, from where its last four bits say, as so many digits. Source: RFC 4226, 5.3.

    Raises: BadOtp.
    """
    if not 1 <= digits <= 10:
        raise BadOtp("digits", reason="not 1 to 10")
    offset = mac[-1] & 0xF
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def same(given: str, expected: str) -> bool:
    """Whether the two are one, in a time that does not tell where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
