"""The currency table holds what ISO 4217 says."""

from __future__ import annotations

import dataclasses

import pytest

from feiqian.kernel.currency import BY_CODE, BY_NUMBER, UnknownCurrency, currency, currency_by_number
from feiqian.kernel.errors import Refused


def test_it_agrees_with_the_published_list() -> None:
    """The package iso4217 carries the table that the maintenance agency publishes."""
    published = pytest.importorskip("iso4217")
    theirs = {one.code: (one.number, one.exponent) for one in published.Currency if one.exponent is not None}
    assert {one.code: (one.number, one.exponent) for one in BY_CODE.values()} == theirs


@pytest.mark.parametrize(
    ("code", "number", "exponent"),
    [
        ("CNY", 156, 2),
        ("USD", 840, 2),
        ("ALL", 8, 2),
        ("JPY", 392, 0),
        ("KRW", 410, 0),
        ("ISK", 352, 0),
        ("BHD", 48, 3),
        ("KWD", 414, 3),
        ("TND", 788, 3),
        ("CLF", 990, 4),
        ("UYW", 927, 4),
        ("XCG", 532, 2),
        ("SLE", 925, 2),
    ],
)
def test_facts(code: str, number: int, exponent: int) -> None:
    found = currency(code)
    assert (found.number, found.exponent, found.scale) == (number, exponent, 10**exponent)
    assert currency_by_number(number) is found
    assert currency_by_number(f"{number:03}") is found


def test_every_row_is_whole_and_stands_once() -> None:
    assert len(BY_CODE) == len(BY_NUMBER) == 165
    for code, one in BY_CODE.items():
        assert code == one.code
        assert len(code) == 3
        assert code.isascii()
        assert code.isupper()
        assert 0 < one.number < 1000
        assert 0 <= one.exponent <= 4
        assert one.name.strip() == one.name != ""
        assert any("\u4e00" <= letter <= "\u9fff" for letter in one.zh), code
    assert len({one.name for one in BY_CODE.values()}) == len({one.zh for one in BY_CODE.values()}) == 165


def test_currencies_that_ended_are_gone() -> None:
    assert not {"BGN", "HRK", "ANG", "ZWL", "SLL", "CUC", "DEM", "XAU", "XTS", "XXX"} & set(BY_CODE)


@pytest.mark.parametrize(
    "code", ["", "cny", "CN", "CNYX", "CNY ", "ＣＮＹ", "XXX", "156", None, 156, True, ["CNY"]]
)
def test_anything_else_is_unknown(code: object) -> None:
    with pytest.raises(UnknownCurrency) as refused:
        currency(code, "amount.currency")
    assert isinstance(refused.value, Refused)
    assert (refused.value.code, refused.value.status) == ("unknown_currency", 422)
    assert refused.value.param == "amount.currency"


@pytest.mark.parametrize("number", [0, 1, 999, -156, "8", "0156", "", "١٥٦", "CNY"])
def test_unknown_numbers(number: int | str) -> None:
    with pytest.raises(UnknownCurrency):
        currency_by_number(number)


def test_a_currency_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        currency("CNY").exponent = 3  # type: ignore[misc]
