"""Money: whole minor units of one currency, so 1234 CNY is 12.34 yuan. Never a float, never a guess.

What comes from outside passes Money.parse (text in major units), Money.minor_units (a whole number of
minor units) or Money.exact (a Decimal); each says no to everything that is not plainly an amount.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Literal, get_args

import msgspec

from feiqian.kernel.currency import BY_CODE, UnknownCurrency, currency
from feiqian.kernel.errors import Refused

# The largest single amount we take. JavaScript reads whole numbers exactly below 2**53 (about 9.0e15),
# and spreadsheets keep 15 digits; fifteen nines are read alike everywhere, and leave the database's
# bigint room for the sum of nine thousand such amounts.
MAX_MINOR = 10**15 - 1

Rounding = Literal["half_even", "half_up", "down", "up"]
ROUNDINGS: tuple[Rounding, ...] = get_args(Rounding)

_PLAIN = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?")
_TEXT_MAX = 32


class NotAnAmount(Refused):
    """This is not an amount of money we can take. The reason is named."""

    code, status, zh = "not_an_amount", 422, "金额无效，原因见说明。"


class CurrencyMismatch(Refused):
    """These amounts are in different currencies."""

    code, status, zh = "currency_mismatch", 422, "金额的币种不一致。"


class Money(msgspec.Struct, frozen=True, gc=False, rename={"minor": "amount"}):
    """An amount. minor: whole minor units of any sign and size; currency: letters of ISO 4217.

    Its JSON is the API's shape, `{"amount": 1234, "currency": "CNY"}`. Ordered within one currency;
    two amounts in different currencies are unequal, and asking which is more is refused.
    Raises: NotAnAmount unless minor is an int (a bool is none); UnknownCurrency.
    """

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise NotAnAmount(reason="not_whole_minor_units", given=type(self.minor).__name__)
        if self.currency not in BY_CODE:
            raise UnknownCurrency

    @classmethod
    def zero(cls, currency: str) -> Money:
        """Nothing, in this currency."""
        return cls(0, currency)

    @classmethod
    def parse(
        cls, text: object, code: str, *, negative: bool = False, zero: bool = False, param: str | None = None
    ) -> Money:
        """The exact amount that text says in major units: `12.34`, `12.3` and `12` in CNY.

        text: ASCII digits, at most the currency's decimals, no sign but a minus, no blanks, no grouping,
        no leading zeros. negative, zero: whether these are welcome. param: the input field meant.
        Raises: NotAnAmount with its reason (never the text, which is the caller's); UnknownCurrency.
        """
        unit = currency(code, param)
        if not isinstance(text, str):
            raise NotAnAmount(param, reason="not_text", given=type(text).__name__)
        # Length first: reading a very long number takes time quadratic in its digits.
        found = _PLAIN.fullmatch(text) if len(text) <= _TEXT_MAX else None
        if found is None:
            raise NotAnAmount(param, reason="too_long" if len(text) > _TEXT_MAX else "not_a_plain_number")
        sign, whole, decimals = found.group(1), found.group(2), found.group(3) or ""
        if len(decimals) > unit.exponent:
            raise NotAnAmount(param, reason="too_many_decimals", decimals=unit.exponent, currency=code)
        if sign and not negative:
            raise NotAnAmount(param, reason="negative")
        minor = int(whole + decimals.ljust(unit.exponent, "0"))
        return _bounded(-minor if sign else minor, code, negative, zero, param)

    @classmethod
    def minor_units(
        cls, minor: object, code: str, *, negative: bool = False, zero: bool = False, param: str | None = None
    ) -> Money:
        """The amount of so many minor units, as the API states it. Refuses as parse does."""
        currency(code, param)
        if type(minor) is not int:
            raise NotAnAmount(param, reason="not_whole_minor_units", given=type(minor).__name__)
        return _bounded(minor, code, negative, zero, param)

    @classmethod
    def exact(
        cls,
        major: Decimal,
        code: str,
        *,
        negative: bool = False,
        zero: bool = False,
        param: str | None = None,
    ) -> Money:
        """The amount of a Decimal in major units, when the currency has all its decimals.

        Nothing is rounded: 1.230 is 1.23 CNY, 1.234 is refused. Refuses as parse does.
        """
        unit = currency(code, param)
        if not isinstance(major, Decimal) or not major.is_finite():
            raise NotAnAmount(param, reason="not_a_plain_number", given=type(major).__name__)
        if major and not -unit.exponent - 40 <= major.adjusted() <= 20:
            # Far out of range either way; said before the digits of 1E+999999 are written out.
            far = "over_maximum" if major.adjusted() > 0 else "too_many_decimals"
            raise NotAnAmount(param, reason=far, currency=code)
        top, bottom = major.as_integer_ratio()
        minor, rest = divmod(top * unit.scale, bottom)
        if rest:
            raise NotAnAmount(param, reason="too_many_decimals", decimals=unit.exponent, currency=code)
        return _bounded(minor, code, negative, zero, param)

    def __add__(self, other: Money) -> Money:
        if not isinstance(other, Money):
            return NotImplemented
        self._same(other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        if not isinstance(other, Money):
            return NotImplemented
        self._same(other)
        return Money(self.minor - other.minor, self.currency)

    def __mul__(self, count: int) -> Money:
        if type(count) is not int:
            return NotImplemented
        return Money(self.minor * count, self.currency)

    __rmul__ = __mul__

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __abs__(self) -> Money:
        return Money(abs(self.minor), self.currency)

    def __bool__(self) -> bool:
        return self.minor != 0

    def __lt__(self, other: Money) -> bool:
        if not isinstance(other, Money):
            return NotImplemented
        self._same(other)
        return self.minor < other.minor

    def __le__(self, other: Money) -> bool:
        if not isinstance(other, Money):
            return NotImplemented
        self._same(other)
        return self.minor <= other.minor

    def __gt__(self, other: Money) -> bool:
        if not isinstance(other, Money):
            return NotImplemented
        self._same(other)
        return self.minor > other.minor

    def __ge__(self, other: Money) -> bool:
        if not isinstance(other, Money):
            return NotImplemented
        self._same(other)
        return self.minor >= other.minor

    def __str__(self) -> str:
        return self.text()

    def times(self, numerator: int, denominator: int, rounding: Rounding) -> Money:
        """This amount times a fraction, rounded once to whole minor units.

        `fee = amount.times(60, 10_000, "half_up")` is 60 basis points. rounding looks at the size, not
        the sign, so a refund undoes its payment: `half_even` and `half_up` differ at exactly one half,
        `down` goes towards zero, `up` away from it.
        Raises: ZeroDivisionError when denominator is 0; TypeError when a part of the fraction is no int;
        ValueError for another rounding.
        """
        if type(numerator) is not int or type(denominator) is not int:
            raise TypeError("numerator and denominator are whole numbers")
        if rounding not in ROUNDINGS:
            raise ValueError(f"rounding is one of {', '.join(ROUNDINGS)}")
        top, bottom = self.minor * numerator, denominator
        minus = (top < 0) != (bottom < 0)
        size = _divide(abs(top), abs(bottom), rounding)
        return Money(-size if minus else size, self.currency)

    def split(self, weights: Sequence[int]) -> list[Money]:
        """Parts in proportion to weights that add up to this amount, in the order of weights.

        weights: whole numbers, 0 or more, not all 0. Each part is within one minor unit of its exact
        share; left-over units go to the largest remainders, the earlier part first; a zero weight gets 0.
        Raises: ValueError for weights out of that.
        """
        if any(type(weight) is not int or weight < 0 for weight in weights):
            raise ValueError("weights are whole numbers, 0 or more")
        whole = sum(weights)
        if whole == 0:
            raise ValueError("at least one weight is above 0")
        size, sign = abs(self.minor), -1 if self.minor < 0 else 1
        parts, remainders = [], []
        for weight in weights:
            part, remainder = divmod(size * weight, whole)
            parts.append(part)
            remainders.append(remainder)
        left = size - sum(parts)
        if left:
            # sorted is stable, so equal remainders keep their order; left is below the number of
            # remainders above 0, so a part without a remainder never gets a unit.
            for at in sorted(range(len(parts)), key=lambda at: -remainders[at])[:left]:
                parts[at] += 1
        return [Money(sign * part, self.currency) for part in parts]

    def share(self, count: int) -> list[Money]:
        """This amount in count parts that differ by one minor unit at most, the larger first.

        Raises: ValueError when count is below 1.
        """
        if type(count) is not int or count < 1:
            raise ValueError("a share needs one part or more")
        sign = -1 if self.minor < 0 else 1
        part, left = divmod(abs(self.minor), count)
        larger, smaller = Money(sign * (part + 1), self.currency), Money(sign * part, self.currency)
        return [larger] * left + [smaller] * (count - left)

    def plain(self) -> str:
        """The number alone with all its decimals: `12.34`, `-0.05`, `1200` for JPY."""
        exponent = BY_CODE[self.currency].exponent
        if not exponent:
            return str(self.minor)
        digits = str(abs(self.minor)).rjust(exponent + 1, "0")
        sign = "-" if self.minor < 0 else ""
        return f"{sign}{digits[:-exponent]}.{digits[-exponent:]}"

    def text(self) -> str:
        """The amount as people and logs read it: `12.34 CNY`."""
        return f"{self.plain()} {self.currency}"

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise CurrencyMismatch(left=self.currency, right=other.currency)


def total(amounts: Iterable[Money], currency: str) -> Money:
    """The sum of amounts, 0 for none. Raises: CurrencyMismatch when one is in another currency."""
    minor = 0
    for amount in amounts:
        if amount.currency != currency:
            raise CurrencyMismatch(left=currency, right=amount.currency)
        minor += amount.minor
    return Money(minor, currency)


def _bounded(minor: int, code: str, negative: bool, zero: bool, param: str | None) -> Money:
    if minor < 0 and not negative:
        raise NotAnAmount(param, reason="negative")
    if minor == 0 and not zero:
        raise NotAnAmount(param, reason="zero")
    if abs(minor) > MAX_MINOR:
        raise NotAnAmount(param, reason="over_maximum", maximum=Money(MAX_MINOR, code).text())
    return Money(minor, code)


def _divide(top: int, bottom: int, rounding: Rounding) -> int:
    """top over bottom, neither negative, as a whole number."""
    whole, rest = divmod(top, bottom)
    if rest == 0 or rounding == "down":
        return whole
    if rounding == "up":
        return whole + 1
    if rest * 2 != bottom:
        return whole + (rest * 2 > bottom)
    return whole + 1 if rounding == "half_up" else whole + (whole & 1)
