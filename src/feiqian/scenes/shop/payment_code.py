"""Payment codes: the 19 digits a customer's device shows and makes with no network.

Prefix (2), alias of the device (9), counter (1), one-time number (7). The alias is random and says
nothing of the account; the number is an HMAC of alias, time step and counter under the device's own
key, cut as in RFC 4226 5.3 to 31 bits and taken modulo 10^7. A code of the step before, of the
current and of the next one passes, so it lives about a minute and bears a clock half a minute wrong.

The counter stands in the clear. It lets a device make ten codes in one step, a fresh one right after
each payment; were it hidden, the server would have to try all ten, and a guess would hit ten times
as often. As it is, a guess passes with 3 chances in 10^7 for each try at an alias. That is safe only
while tries are few: the caller must throttle failures, by alias and by terminal.

A code is spent by (alias, step, counter), which the caller must store as unique with the payment.

A live code is as good as money for its minute: never log or store the digits.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from feiqian.kernel.errors import Refused
from feiqian.scenes.shop.emv import MalformedCode

Source = Literal["own", "wechat", "alipay", "unionpay"]

HOUSE_PREFIX = "86"
DIGITS = 19
STEP_SECONDS = 30
STEPS_BEHIND = 1  # the code was made, then shown and scanned
STEPS_AHEAD = 1  # the device's clock is fast
KEY_BYTES = 32

# Whose codes begin with what, and how long they are: (source, first and last prefix, digits least and most).
# Source: each scheme's public merchant documentation of its scanned payment.
FOREIGN: tuple[tuple[Source, tuple[int, int], tuple[int, int]], ...] = (
    ("wechat", (10, 15), (18, 18)),
    ("alipay", (25, 30), (16, 24)),
    ("unionpay", (62, 62), (19, 19)),
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ALL_DIGITS = re.compile("[0-9]+")


class NotOurCode(Refused):
    """This is not a payment code of ours."""

    code, status, zh = "code_not_ours", 422, "这不是本平台的付款码。"


@dataclass(frozen=True, slots=True)
class PaymentCode:
    """A code taken apart; whether its number is right is for `matching_step` to say."""

    alias: str
    counter: int
    number: str = field(repr=False)


def make(key: bytes, alias: str, at: datetime, counter: int, prefix: str = HOUSE_PREFIX) -> str:
    """The 19 digits to show at a moment.

    key: the device's 32 bytes. alias: nine digits. counter: 0 to 9, another for each code of one step.
    Raises: ValueError when one of them is not so, or the prefix is another scheme's.
    """
    _check_prefix(prefix)
    if not re.fullmatch("[0-9]{9}", alias):
        raise ValueError("alias must be nine digits")
    return f"{prefix}{alias}{counter}{_number(key, alias, step_of(at), counter)}"


def split(digits: str, prefix: str = HOUSE_PREFIX) -> PaymentCode:
    """The parts of a scanned code.

    Raises: NotOurCode for digits with another prefix, naming the scheme if known; MalformedCode for
    what is not digits, or has our prefix and another length.
    """
    _check_prefix(prefix)
    if not _ALL_DIGITS.fullmatch(digits):
        raise MalformedCode(tag="payload", reason="must be digits only")
    if not digits.startswith(prefix):
        source = source_of(digits, prefix)
        raise NotOurCode(source=source) if source else NotOurCode()
    if len(digits) != DIGITS:
        raise MalformedCode(tag="payload", reason=f"must be {DIGITS} digits")
    return PaymentCode(alias=digits[2:11], counter=int(digits[11]), number=digits[12:])


def matching_step(key: bytes, code: PaymentCode, at: datetime) -> int | None:
    """The time step a code was made in, if that is one that still passes at the moment; else None.

    Every step is tried, match or not, so that the time taken tells a guesser nothing. Should two match,
    the later is given: it stays open longer, so it is the one that must be spent.
    Raises: ValueError when the key is not 32 bytes.
    """
    now = step_of(at)
    found = None
    for step in range(max(0, now - STEPS_BEHIND), now + STEPS_AHEAD + 1):
        expected = _number(key, code.alias, step, code.counter)
        if hmac.compare_digest(expected.encode(), code.number.encode()):
            found = step
    return found


def step_of(at: datetime) -> int:
    """Steps of 30 seconds since 1970. at: a moment with its zone, not before then."""
    return (at - _EPOCH) // timedelta(seconds=STEP_SECONDS)


def source_of(digits: str, prefix: str = HOUSE_PREFIX) -> Source | None:
    """Whose payment code this is by its beginning and length; None when it is nobody's known here."""
    if not _ALL_DIGITS.fullmatch(digits):
        return None
    if digits.startswith(prefix) and len(digits) == DIGITS:
        return "own"
    for source, (first, last), (least, most) in FOREIGN:
        if first <= int(digits[:2]) <= last and least <= len(digits) <= most:
            return source
    return None


def _check_prefix(prefix: str) -> None:
    if not re.fullmatch("[0-9]{2}", prefix):
        raise ValueError("prefix must be two digits")
    for source, (first, last), _ in FOREIGN:
        if first <= int(prefix) <= last:
            raise ValueError(f"prefix {prefix} belongs to {source}")


def _number(key: bytes, alias: str, step: int, counter: int) -> str:
    if len(key) != KEY_BYTES:
        raise ValueError(f"key must be {KEY_BYTES} bytes")
    if not 0 <= counter <= 9:
        raise ValueError("counter must be 0 to 9")
    message = alias.encode() + step.to_bytes(8, "big") + bytes([counter])
    digest = hmac.new(key, message, hashlib.sha256).digest()
    # RFC 4226 takes the offset from the last byte of the digest; 15 + 4 stays within 32 bytes.
    offset = digest[-1] & 0x0F
    cut = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{cut % 10**7:07d}"
