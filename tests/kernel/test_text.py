"""Text that people give: kept as given or refused, with nothing hidden in it."""

from __future__ import annotations

from typing import Any

import pytest

from feiqian.kernel.errors import Malformed
from feiqian.kernel.ids import new_id
from feiqian.kernel.pages import span
from feiqian.kernel.text import BadName, BadText, check_metadata, check_reference, clean_name


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("张三", "张三"),
        ("  Alice Chen\t", "Alice Chen"),
        ("\u3000阿依古丽·买买提\u3000", "阿依古丽·买买提"),
        ("x" * 100, "x" * 100),
        ("e\u0301", "e\u0301"),  # not normalised
        ("=1+1", "=1+1"),
        ("<script>", "<script>"),
        ("'; drop table party; --", "'; drop table party; --"),
        ("علی\u200cرضا", "علی\u200cرضا"),  # a joiner is part of the name
        ("👩\u200d👩\u200d👧", "👩\u200d👩\u200d👧"),
        ("\ue000", "\ue000"),  # rare characters in the private area
    ],
)
def test_names_are_kept_as_given(given: str, kept: str) -> None:
    assert clean_name(given) == kept


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("", "empty"),
        (" \t\u3000", "empty"),
        ("\u200b\u200d", "empty"),
        ("x" * 101, "too_long"),
        ("a\0b", "hidden_character"),
        ("a\nb", "hidden_character"),
        ("a\x85b", "hidden_character"),
        ("a\u2028b", "hidden_character"),
        ("a\u202eb", "hidden_character"),
        ("a\u2067b", "hidden_character"),
        ("a\ud800", "hidden_character"),
        ("a\x1b[31m", "hidden_character"),
        (None, "not_text"),
        (7, "not_text"),
    ],
)
def test_other_names_are_refused(given: Any, reason: str) -> None:
    with pytest.raises(BadName) as caught:
        clean_name(given, "city")
    assert (caught.value.facts["reason"], caught.value.param) == (reason, "city")


def test_references_are_not_touched_at_all() -> None:
    assert check_reference("A-1/甲") == "A-1/甲"
    assert check_reference("x" * 64)
    for bad in ("", " a", "a ", "a\nb", "x" * 65, None):
        with pytest.raises(BadText):
            check_reference(bad)


def test_metadata_is_pairs_of_text() -> None:
    full = {f"k{n}": "v" * 500 for n in range(50)}
    assert check_metadata(full) == full
    assert check_metadata({"note": "two\nlines", "empty": ""})
    bad: list[Any] = [
        {**full, "one": "more"},
        {"": "x"},
        {"k" * 41: "x"},
        {"k": "v" * 501},
        {"k": "\0"},
        {"k": "\udfff"},
        {"k\n": "x"},
        {"k": 1},
        {1: "x"},
        ["k"],
    ]
    for one in bad:
        with pytest.raises(BadText):
            check_metadata(one)


def test_a_page_goes_one_way() -> None:
    here = new_id()
    assert (span(10, here, None)["down"], span(10, here, None)["up"]) == (10, 0)
    assert (span(10, None, here)["down"], span(10, None, here)["up"]) == (0, 10)
    for wrong in ((0, None, None), (10, here, here)):
        with pytest.raises(Malformed):
            span(*wrong)
