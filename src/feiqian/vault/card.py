"""Card: what a card is outside of its ciphertext, and what makes a number, a month and a year sound."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Literal
from uuid import UUID

import msgspec

from feiqian.kernel.errors import Refused
from feiqian.vault.bins import CardKind

State = Literal["active", "unbound", "unreadable"]

YEARS_AHEAD_MAX = 30
HIDDEN_LEAST = 5  # digits of a short number that first and last ones must leave unsaid

_NUMBER = re.compile(r"[0-9]{12,19}", re.ASCII)
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


class BadCardNumber(Refused):
    """This is no card number. Send its 12 to 19 digits, as they stand on the card."""

    code, status, zh = "bad_card_number", 422, "卡号无效，请按卡面填写12至19位数字。"


class BadExpiry(Refused):
    """A card is good through a month of the next thirty years. Look at the card again."""

    code, status, zh = "bad_card_expiry", 422, "有效期无效，请核对卡面上的月份和年份。"


class CardExpired(Refused):
    """This card has expired. Bind the one that replaced it."""

    code, status, zh = "card_expired", 422, "该卡已过期，请绑定新卡。"


class TooManyCards(Refused):
    """This customer has as many cards as may be bound. Unbind one first."""

    code, status, zh = "too_many_cards", 409, "绑定的卡已达上限，请先解绑一张。"


class CardUnbound(Refused):
    """This card is no longer bound. Bind it again."""

    code, status, zh = "card_unbound", 409, "该卡已解绑，请重新绑定。"


class CardUnreadable(Refused):
    """The key of this card was destroyed, and its number with it. Bind the card again."""

    code, status, zh = "card_unreadable", 409, "该卡的加密密钥已销毁，卡号不可恢复，请重新绑定。"


class BadCardOrder(Refused):
    """An order of cards names each of the customer's bound cards once. List them and try again."""

    code, status, zh = "bad_card_order", 422, "排序须包含该客户全部已绑定的卡，且每张只出现一次。"


class Card(msgspec.Struct, frozen=True):
    """A card as all may see it. bin: at most its first six digits. expires: the last month's first day.

    place: 0 is the default, the others follow when it does not pay.
    """

    id: UUID
    owner: UUID
    bin: str
    last_four: str
    issuer: str | None
    kind: CardKind
    expires: date
    state: State
    place: int
    created_at: datetime


def check_number(text: str) -> str:
    """The digits of a card number, without the blanks and dashes people write. Raises: BadCardNumber."""
    digits = re.sub(r"[ -]", "", text)
    if not _NUMBER.fullmatch(digits):
        raise BadCardNumber("number", reason="not 12 to 19 digits")
    if not passes_luhn(digits) or not digits.strip("0"):
        raise BadCardNumber("number", reason="check digit")
    return digits


def check_expiry(month: int, year: int, today: date) -> date:
    """The first day of the last month, through whose end a card is good. Raises: BadExpiry, CardExpired."""
    if not 1 <= month <= 12:
        raise BadExpiry("expiry_month")
    if not 2000 <= year <= today.year + YEARS_AHEAD_MAX:
        raise BadExpiry("expiry_year")
    if (year, month) < (today.year, today.month):
        raise CardExpired("expiry_year")
    return date(year, month, 1)


def shown_digits(number: str) -> tuple[str, str]:
    """The first digits and the last four: all that may be kept. Of a short number fewer of the first."""
    return number[: min(6, len(number) - 4 - HIDDEN_LEAST)], number[-4:]


def passes_luhn(digits: str) -> bool:
    """The check digit of card numbers. Source: ISO/IEC 7812-1, annex B."""
    numbers = [int(digit) for digit in digits]
    return (sum(numbers[-1::-2]) + sum(_DOUBLED[digit] for digit in numbers[-2::-2])) % 10 == 0
