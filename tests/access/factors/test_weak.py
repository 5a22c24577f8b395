"""S14: what is too easy to guess is refused for the reason named, and nothing else is."""

from __future__ import annotations

from datetime import date

import pytest

from feiqian.access.factors.weak import Known, WeakPassword, WeakPin, check_password, check_pin

ALICE = Known("Alice 王小明", "+8613800138001", date(1990, 7, 4))


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("", "too_short"), ("te4ho", "too_short"), ("a1" * 65, "too_long"),
        ("te4\x00house", "hidden_character"),
        ("teahouse", "needs_letters_and_digits"), ("48151623", "needs_letters_and_digits"),
        ("password1", "common"), ("Passw0rd", "common"), ("P@ssw0rd1", "common"), ("monkey12", "common"),
        ("ABC123", "common"), ("ｐａｓｓｗｏｒｄ１", "common"), ("woaini521", "common"),
        ("trustno1", "common"),
        ("x138001", "personal"), ("k13800138001", "personal"), ("al1ce!alice", "personal"),
        ("王小明88工夫", "personal"), ("zq900704", "personal"), ("zq19900704", "personal"),
        ("aab11b", "repeats"), ("a7b9a7b9", "repeats"), ("1qaz2wsx4rfv", "keyboard_run"),
        ("zxcvb98765", "keyboard_run"),
        ("fedcba321k", "keyboard_run"), ("kt20031231", "date"),
    ],
)  # fmt: skip
def test_weak_passwords_are_refused(password, reason):
    with pytest.raises(WeakPassword) as caught:
        check_password(password, ALICE, 6)
    assert caught.value.facts["reason"] == reason
    assert not password or password not in str(caught.value)


@pytest.mark.parametrize(
    "password", ["te4hous", "Lantern7Bridge", "茶馆9号灯笼", "k1tt3l!z", "correct horse 9 battery"]
)
def test_others_pass(password):
    check_password(password, ALICE, 6)


def test_staff_need_twelve():
    with pytest.raises(WeakPassword) as caught:
        check_password("lantern7brg", ALICE, 12)
    assert caught.value.facts == {"reason": "too_short", "length_min": 12}
    check_password("lantern7brgs", ALICE, 12)


@pytest.mark.parametrize(
    ("pin", "reason"),
    [
        ("", "not_six_digits"), ("12345", "not_six_digits"), ("1234567", "not_six_digits"),
        ("12a456", "not_six_digits"), ("１２３４５６", "not_six_digits"), ("835192\n", "not_six_digits"),
        ("111111", "repeats"), ("121212", "repeats"), ("122121", "repeats"), ("837837", "repeats"),
        ("835538", "repeats"), ("883355", "repeats"), ("123456", "run"), ("987654", "run"), ("890123", "run"),
        ("135791", "run"), ("147258", "run"), ("357951", "run"),
        ("900704", "personal"), ("040790", "personal"), ("199007", "personal"), ("138001", "personal"),
        ("001380", "personal"),
    ],
)  # fmt: skip
def test_weak_pins_are_refused(pin, reason):
    with pytest.raises(WeakPin) as caught:
        check_pin(pin, ALICE)
    assert caught.value.facts["reason"] == reason


def test_most_pins_pass():
    """So few are refused that guessing gains nothing from knowing the rules."""
    refused = 0
    for number in range(0, 1_000_000, 97):
        try:
            check_pin(f"{number:06d}", ALICE)
        except WeakPin:
            refused += 1
    assert refused / (1_000_000 / 97) < 0.01
