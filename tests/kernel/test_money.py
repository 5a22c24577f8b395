"""Money: exact, refused when it is not plainly an amount, and never lost in a split."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP, Context, Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feiqian.kernel.currency import BY_CODE, UnknownCurrency
from feiqian.kernel.money import MAX_MINOR, ROUNDINGS, CurrencyMismatch, Money, NotAnAmount, Rounding, total

CODES = ("JPY", "CNY", "BHD")  # 0, 2 and 3 decimals


def cny(minor: int) -> Money:
    return Money(minor, "CNY")


def reason(call: Callable[[], object]) -> str:
    """Why call was refused; the answer is 422 not_an_amount each time."""
    with pytest.raises(NotAnAmount) as refused:
        call()
    assert (refused.value.code, refused.value.status) == ("not_an_amount", 422)
    return str(refused.value.facts["reason"])


# What is an amount


@pytest.mark.parametrize(
    ("text", "code", "minor"),
    [
        ("12.34", "CNY", 1234),
        ("12.3", "CNY", 1230),
        ("12", "CNY", 1200),
        ("0.01", "CNY", 1),
        ("0.10", "CNY", 10),
        ("1200", "JPY", 1200),
        ("0.005", "BHD", 5),
        ("1.2345", "CLF", 12345),
        ("9999999999999.99", "CNY", MAX_MINOR),
        ("999999999999999", "JPY", MAX_MINOR),
    ],
)
def test_parse_is_exact(text: str, code: str, minor: int) -> None:
    assert Money.parse(text, code) == Money(minor, code)
    assert Money.exact(Decimal(text), code) == Money(minor, code)
    assert Money.minor_units(minor, code) == Money(minor, code)


def test_parse_takes_a_minus_or_nothing_only_where_they_are_welcome() -> None:
    assert Money.parse("-12.34", "CNY", negative=True) == cny(-1234)
    assert Money.parse("0.00", "CNY", zero=True) == cny(0)
    assert Money.parse("-0", "CNY", negative=True, zero=True) == cny(0)
    assert reason(lambda: Money.parse("-0.01", "CNY")) == "negative"
    assert reason(lambda: Money.parse("-0", "CNY", zero=True)) == "negative"
    assert reason(lambda: Money.parse("0", "CNY", negative=True)) == "zero"
    assert reason(lambda: Money.minor_units(-1, "CNY")) == "negative"
    assert reason(lambda: Money.minor_units(0, "CNY")) == "zero"
    assert reason(lambda: Money.exact(Decimal("-1"), "CNY")) == "negative"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("-1", "negative"),
        ("0", "zero"),
        ("0.00", "zero"),
        ("1.234", "too_many_decimals"),
        ("1.000", "too_many_decimals"),
        ("10000000000000.00", "over_maximum"),
        ("9223372036854775808", "over_maximum"),
        ("170141183460469231731687303715", "over_maximum"),
        (str(2**127), "too_long"),
        ("1" * 100_000, "too_long"),
        ("1e3", "not_a_plain_number"),
        ("1E3", "not_a_plain_number"),
        ("NaN", "not_a_plain_number"),
        ("nan", "not_a_plain_number"),
        ("Infinity", "not_a_plain_number"),
        ("-inf", "not_a_plain_number"),
        ("+5", "not_a_plain_number"),
        ("--5", "not_a_plain_number"),
        ("1,000", "not_a_plain_number"),
        ("1.000,00", "not_a_plain_number"),
        ("1 000", "not_a_plain_number"),
        ("1_000", "not_a_plain_number"),
        ("0x10", "not_a_plain_number"),
        ("0b1", "not_a_plain_number"),
        ("ff", "not_a_plain_number"),
        ("１２", "not_a_plain_number"),
        ("١٢", "not_a_plain_number"),
        ("१२", "not_a_plain_number"),
        ("五", "not_a_plain_number"),
        ("½", "not_a_plain_number"),
        ("²", "not_a_plain_number"),
        ("−5", "not_a_plain_number"),
        ("", "not_a_plain_number"),
        (" ", "not_a_plain_number"),
        (" 5", "not_a_plain_number"),
        ("5\n", "not_a_plain_number"),
        ("5\x00", "not_a_plain_number"),
        ("\u200b5", "not_a_plain_number"),
        ("5.", "not_a_plain_number"),
        (".5", "not_a_plain_number"),
        (".", "not_a_plain_number"),
        ("1.2.3", "not_a_plain_number"),
        ("05", "not_a_plain_number"),
        ("¥5", "not_a_plain_number"),
        ("5 CNY", "not_a_plain_number"),
        ("1/2", "not_a_plain_number"),
        (True, "not_text"),
        (False, "not_text"),
        (None, "not_text"),
        (5, "not_text"),
        (5.0, "not_text"),
        (Decimal(5), "not_text"),
        ([], "not_text"),
        (["5"], "not_text"),
        ({"amount": "5"}, "not_text"),
        (b"5", "not_text"),
    ],
)
def test_parse_refuses(text: object, why: str) -> None:
    """Check M2: whatever is not plainly an amount is refused, with the reason and the field named."""
    assert reason(lambda: Money.parse(text, "CNY")) == why
    with pytest.raises(NotAnAmount) as refused:
        Money.parse(text, "CNY", param="amount")
    assert refused.value.param == "amount"
    if isinstance(text, str) and len(text) > 8:
        assert text not in str(refused.value)


def test_decimals_depend_on_the_currency() -> None:
    """Check M2: too many decimals in currencies of 0, 2, 3 and 4."""
    for code, most in (("JPY", 0), ("CNY", 2), ("BHD", 3), ("UYW", 4)):
        assert Money.parse("1" + ("." + "1" * most if most else ""), code).minor == int("1" * (most + 1))
        with pytest.raises(NotAnAmount, match="too_many_decimals"):
            Money.parse("1." + "1" * (most + 1), code)


@pytest.mark.parametrize("bad", [5.0, 1e3, float("nan"), True, False, None, "5", [], Decimal(5), 2**63 * 1.0])
def test_minor_units_are_whole_numbers(bad: object) -> None:
    """Check M2: number where text is due and the reverse, bool, null, list."""
    assert reason(lambda: Money(bad, "CNY")) == "not_whole_minor_units"  # type: ignore[arg-type]
    assert reason(lambda: Money.minor_units(bad, "CNY")) == "not_whole_minor_units"


@pytest.mark.parametrize("minor", [MAX_MINOR + 1, 2**53, 2**63, 2**127])
def test_the_maximum_is_the_last_that_passes(minor: int) -> None:
    """Check M2: over maximum."""
    assert Money.minor_units(MAX_MINOR, "CNY").minor == MAX_MINOR < 2**53
    assert float(MAX_MINOR) == MAX_MINOR
    assert reason(lambda: Money.minor_units(minor, "CNY")) == "over_maximum"
    assert reason(lambda: Money.minor_units(-minor, "CNY", negative=True)) == "over_maximum"


@pytest.mark.parametrize(
    ("major", "why"),
    [
        (Decimal("1.234"), "too_many_decimals"),
        (Decimal("1E-30"), "too_many_decimals"),
        (Decimal("1E-999999"), "too_many_decimals"),
        (Decimal("1E+14"), "over_maximum"),
        (Decimal("1E+999999"), "over_maximum"),
        (Decimal("NaN"), "not_a_plain_number"),
        (Decimal("sNaN"), "not_a_plain_number"),
        (Decimal("-Infinity"), "not_a_plain_number"),
        (Decimal(0), "zero"),
        (Decimal("0E+999999"), "zero"),
        (1.23, "not_a_plain_number"),
        (True, "not_a_plain_number"),
        (None, "not_a_plain_number"),
    ],
)
def test_a_decimal_is_taken_exactly_or_not_at_all(major: Decimal, why: str) -> None:
    assert Money.exact(Decimal("1.230"), "CNY") == cny(123)
    assert reason(lambda: Money.exact(major, "CNY")) == why


def test_an_unknown_currency_is_said_first() -> None:
    calls: list[Callable[[], Money]] = [
        lambda: Money(1, "XXX"),
        lambda: Money.parse("x", "cny"),
        lambda: Money.minor_units("x", "RMB"),
        lambda: Money.exact(Decimal(1), ""),
    ]
    for call in calls:
        with pytest.raises(UnknownCurrency):
            call()


# What one can do with it


def test_arithmetic_stays_in_one_currency() -> None:
    assert cny(1234) + cny(1) == cny(1235)
    assert cny(1234) - cny(1235) == -cny(1) == cny(-1)
    assert cny(5) * 3 == 3 * cny(5) == cny(15)
    assert abs(cny(-5)) == cny(5)
    assert bool(cny(0)) is False
    assert bool(cny(-1)) is True
    assert min(cny(2), cny(1)) == cny(1)
    assert max(cny(2), cny(1)) == cny(2)
    assert sorted([cny(2), cny(-1), cny(1)]) == [cny(-1), cny(1), cny(2)]
    assert cny(1) <= cny(1) >= cny(1)
    assert total([cny(1), cny(2)], "CNY") == cny(3)
    assert total([], "CNY") == Money.zero("CNY") == cny(0)


@pytest.mark.parametrize(
    "act",
    [
        lambda a, b: a + b,
        lambda a, b: a - b,
        lambda a, b: a < b,
        lambda a, b: a <= b,
        lambda a, b: a > b,
        lambda a, b: a >= b,
        lambda a, b: max(a, b),
        lambda a, b: total([a, b], "CNY"),
    ],
)
def test_two_currencies_never_meet(act: Callable[[Money, Money], object]) -> None:
    act(cny(1), cny(1))
    with pytest.raises(CurrencyMismatch) as refused:
        act(cny(1), Money(1, "USD"))
    assert (refused.value.code, refused.value.status) == ("currency_mismatch", 422)


def test_equality_asks_and_never_refuses() -> None:
    assert cny(0) != Money(0, "USD")
    assert len({cny(1), cny(1), Money(1, "USD")}) == 2
    others: list[object] = [1, "0.01 CNY", None]
    assert cny(1) not in others


@pytest.mark.parametrize(
    "act",
    [
        lambda a: a + 1,
        lambda a: 1 + a,
        lambda a: a - 1,
        lambda a: a * 1.5,
        lambda a: a * True,
        lambda a: a * cny(1),
        lambda a: a < 1,
        lambda a: a / 2,
        lambda a: a // 2,
        lambda a: a.times(1.5, 2, "down"),
        lambda a: a.times(True, 2, "down"),
        lambda a: float(a),
    ],
)
def test_numbers_are_not_money(act: Callable[[Money], object]) -> None:
    with pytest.raises(TypeError):
        act(cny(1))


def test_money_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        cny(1).minor = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("minor", "code", "text"),
    [
        (1234, "CNY", "12.34 CNY"),
        (5, "CNY", "0.05 CNY"),
        (-5, "CNY", "-0.05 CNY"),
        (-123456, "CNY", "-1234.56 CNY"),
        (0, "CNY", "0.00 CNY"),
        (1200, "JPY", "1200 JPY"),
        (-1, "JPY", "-1 JPY"),
        (5, "BHD", "0.005 BHD"),
        (12345, "UYW", "1.2345 UYW"),
    ],
)
def test_text(minor: int, code: str, text: str) -> None:
    assert Money(minor, code).text() == str(Money(minor, code)) == text
    assert Money.parse(Money(minor, code).plain(), code, negative=True, zero=True) == Money(minor, code)


def test_its_json_is_the_api_shape() -> None:
    assert msgspec.json.encode(cny(4860)) == b'{"amount":4860,"currency":"CNY"}'
    assert msgspec.json.decode(b'{"amount":4860,"currency":"CNY"}', type=Money) == cny(4860)
    for amount in (b"4860.0", b"1e3", b"true", b'"4860"', b"null", b"[1]"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(b'{"amount":' + amount + b',"currency":"CNY"}', type=Money)


@pytest.mark.parametrize(
    ("minor", "half_even", "half_up", "down", "up"),
    [
        (0, 0, 0, 0, 0),
        (1, 0, 1, 0, 1),
        (2, 1, 1, 1, 1),
        (3, 2, 2, 1, 2),
        (5, 2, 3, 2, 3),
        (-1, 0, -1, 0, -1),
        (-3, -2, -2, -1, -2),
        (-5, -2, -3, -2, -3),
    ],
)
def test_half_of_it(minor: int, half_even: int, half_up: int, down: int, up: int) -> None:
    halves = [cny(minor).times(1, 2, rounding).minor for rounding in ("half_even", "half_up", "down", "up")]
    assert halves == [half_even, half_up, down, up]
    assert halves == [cny(minor).times(-1, -2, rounding).minor for rounding in ROUNDINGS]
    assert halves == [-cny(minor).times(-1, 2, rounding).minor for rounding in ROUNDINGS]


def test_times_says_what_it_cannot_do() -> None:
    with pytest.raises(ZeroDivisionError):
        cny(1).times(1, 0, "down")
    with pytest.raises(ValueError, match="half_even"):
        cny(1).times(1, 3, "ceiling")  # type: ignore[arg-type]


AMOUNTS = st.integers(-MAX_MINOR, MAX_MINOR)


@settings(max_examples=1000, deadline=None)
@given(AMOUNTS, st.integers(-(10**9), 10**9), st.integers(1, 10**9), st.sampled_from(ROUNDINGS))
def test_times_agrees_with_decimal(minor: int, top: int, bottom: int, rounding: Rounding) -> None:
    names = {
        "half_even": ROUND_HALF_EVEN,
        "half_up": ROUND_HALF_UP,
        "down": ROUND_DOWN,
        "up": ROUND_UP,
    }
    whole, rest = divmod(abs(minor * top), bottom)
    # Which side of one half decides; the quotient itself may have no end in decimals.
    side = (rest * 2 > bottom) - (rest * 2 < bottom)
    near = Decimal(whole) + (Decimal(0) if rest == 0 else Decimal("0.5") + Decimal(side) / 4)
    size = int(near.quantize(Decimal(1), names[rounding], Context(prec=60)))
    assert abs(cny(minor).times(top, bottom, rounding).minor) == size


# Nothing is lost when it is split


def test_splits_by_hand() -> None:
    assert cny(100).split([1, 1, 1]) == [cny(34), cny(33), cny(33)]
    assert cny(-100).split([1, 1, 1]) == [cny(-34), cny(-33), cny(-33)]
    assert cny(100).split([1, 2, 3]) == [cny(17), cny(33), cny(50)]
    assert cny(1).split([0, 5, 5]) == [cny(0), cny(1), cny(0)]
    assert cny(0).split([1, 2]) == [cny(0), cny(0)]
    assert cny(7).split([3]) == [cny(7)]
    assert cny(100).share(3) == [cny(34), cny(33), cny(33)]
    assert cny(-2).share(3) == [cny(-1), cny(-1), cny(0)]


@pytest.mark.parametrize("weights", [[], [0], [0, 0], [1, -1], [1.0], [True], ["1"]])
def test_weights_that_say_nothing(weights: list[int]) -> None:
    with pytest.raises(ValueError):
        cny(100).split(weights)


@pytest.mark.parametrize("count", [0, -1, 1.0, True])
def test_shares_that_say_nothing(count: int) -> None:
    with pytest.raises(ValueError):
        cny(100).share(count)


def test_ten_thousand_splits_and_sums_against_whole_numbers() -> None:
    """Check M1: amounts are exact in currencies of 0, 2 and 3 decimals."""
    chance = random.Random(20261101)
    for _ in range(10_000):
        code = chance.choice(CODES)
        numbers = [chance.randint(-MAX_MINOR, MAX_MINOR) for _ in range(chance.randint(1, 8))]
        amounts = [Money(number, code) for number in numbers]
        whole = total(amounts, code)
        assert whole.minor == sum(numbers)
        assert all(Money.parse(one.plain(), code, negative=True, zero=True) == one for one in amounts)

        weights = [chance.choice((0, 1, chance.randint(0, 10**6))) for _ in range(chance.randint(1, 12))]
        weights[chance.randrange(len(weights))] += 1
        parts = whole.split(weights)
        assert sum(part.minor for part in parts) == whole.minor
        for part, weight in zip(parts, weights, strict=True):
            assert abs(Fraction(part.minor) - Fraction(whole.minor * weight, sum(weights))) < 1

        shares = whole.share(chance.randint(1, 50))
        assert total(shares, code) == whole
        assert max(shares).minor - min(shares).minor <= 1


@settings(max_examples=2000, deadline=None)
@given(
    AMOUNTS,
    st.lists(st.integers(0, 10**12), min_size=1, max_size=50).filter(any),
    st.sampled_from(sorted(BY_CODE)),
)
def test_parts_add_up_to_the_last_unit(minor: int, weights: list[int], code: str) -> None:
    """Check M5: 1 to 50 receivers; the parts add up, each within one unit, nobody without weight is paid."""
    amount = Money(minor, code)
    parts = amount.split(weights)
    assert total(parts, code) == amount
    for part, weight in zip(parts, weights, strict=True):
        exact = Fraction(minor * weight, sum(weights))
        assert abs(part.minor - exact) < 1
        assert part.minor * minor >= 0
        assert weight or part.minor == 0
    assert amount.split(weights) == parts
    assert (-amount).split(weights) == [-part for part in parts]
    assert amount.split([weight * 7 for weight in weights]) == parts


@settings(max_examples=500, deadline=None)
@given(st.integers(1, MAX_MINOR), st.integers(1, 50), st.integers(0, 10_000))
def test_refunds_in_pieces_give_back_the_whole(minor: int, pieces: int, fee_bps: int) -> None:
    """Check M5: fee and payout are the payment, and refunds split like it return each to the last unit."""
    paid = cny(minor)
    fee = paid.times(fee_bps, 10_000, "half_up")
    payout = paid - fee
    refunds = paid.share(pieces)
    if paid:
        fees = fee.split([refund.minor for refund in refunds])
        payouts = [refund - part for refund, part in zip(refunds, fees, strict=True)]
        assert total(fees, "CNY") == fee
        assert total(payouts, "CNY") == payout
