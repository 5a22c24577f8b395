"""Weak: what is too easy to guess as a password or a payment PIN, and why. Pure.

The common ones are in common_passwords.txt, most of them from the list of zxcvbn (MIT).
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from functools import cache
from itertools import pairwise
from pathlib import Path

import msgspec

from feiqian.kernel.errors import Refused

LENGTH_MAX = 128
PIN_DIGITS = 6

_ROWS = (
    *("abcdefghijklmnopqrstuvwxyz", "1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "!@#$%^&*()"),
    *("1qaz", "2wsx", "3edc", "4rfv", "5tgb", "6yhn", "7ujm", "147", "258", "369"),
)
_DATE = re.compile(r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")
# Lines and corners of a telephone's keys; runs and repeats are known by rule.
_KEYPAD = frozenset(
    re.findall(
        r"[0-9]{6}",
        "147258 258147 258369 369258 147369 369147 159753 159357 357159 753159 789456 456789 123789 741852"
        " 852741 852963 963852 142536 147896 321654 456123 520131",
    )
)
_UNLEET = str.maketrans("@4301$5", "aaeolss")


class WeakPassword(Refused):
    """This password is too easy to guess. The reason is named; choose another one."""

    code, status, zh = "weak_password", 422, "该密码过于简单，原因见说明，请另设一个。"


class WeakPin(Refused):
    """This payment PIN is too easy to guess. The reason is named; choose another six digits."""

    code, status, zh = "weak_pin", 422, "该支付密码过于简单，原因见说明，请另设六位数字。"


class Known(msgspec.Struct, frozen=True):
    """What others may know of somebody, and would try first. phone: E.164."""

    name: str = ""
    phone: str = ""
    born_on: date | None = None


def check_password(password: str, known: Known, length_min: int) -> None:
    """Pass a password, or say why it is weak. Raises: WeakPassword."""
    reason = _password_fault(unicodedata.normalize("NFKC", password), known, length_min)
    if reason:
        facts = {"length_min": length_min} if reason == "too_short" else {}
        raise WeakPassword("password", reason=reason, **facts)


def check_pin(pin: str, known: Known) -> None:
    """Pass a PIN, or say why it is weak. Raises: WeakPin."""
    reason = _pin_fault(pin, known)
    if reason:
        raise WeakPin("pin", reason=reason)


def _password_fault(password: str, known: Known, length_min: int) -> str | None:
    lower = password.casefold()
    if len(password) < length_min:
        return "too_short"
    if len(password) > LENGTH_MAX:
        return "too_long"
    if any(unicodedata.category(sign) in ("Cc", "Cs") for sign in password):
        return "hidden_character"
    if not any(map(str.isalpha, password)) or not any(map(str.isdigit, password)):
        return "needs_letters_and_digits"
    if _is_common(lower):
        return "common"
    if _holds_phone(lower, known.phone) or _holds_birth(lower, known.born_on):
        return "personal"
    if any(word in lower for word in _name_words(known.name)):
        return "personal"
    if len(set(lower)) < 4 or re.fullmatch(r"(.{1,6}?)\1+", lower):
        return "repeats"
    if len(lower) - _in_runs(lower) < 3:
        return "keyboard_run"
    if len(_DATE.sub("", lower)) < min(4, len(lower)):
        return "date"
    return None


def _pin_fault(pin: str, known: Known) -> str | None:
    if not re.fullmatch(rf"[0-9]{{{PIN_DIGITS}}}", pin):
        return "not_six_digits"
    steps = {(int(after) - int(before)) % 10 for before, after in pairwise(pin)}
    pairs = [pin[at : at + 2] for at in (0, 2, 4)]
    if len(set(pin)) < 3 or pin[:3] == pin[3:] or len(set(pairs)) == 1 or pin[:3] == pin[:2:-1]:
        return "repeats"
    if len(steps) == 1 or pin in _KEYPAD or pin[::-1] in _KEYPAD:
        return "run"
    if all(pair[0] == pair[1] for pair in pairs):
        return "repeats"
    if known.born_on and pin in _births(known.born_on):
        return "personal"
    if known.phone and pin in known.phone:
        return "personal"
    return None


@cache
def _common() -> frozenset[str]:
    text = (Path(__file__).parent / "common_passwords.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def _is_common(lower: str) -> bool:
    """Whether it, or the word in it once digits and signs around are gone, is on the list."""
    word = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", lower)
    forms = {lower, lower.translate(_UNLEET)}
    # A common word with a few digits is what every list of broken passwords is full of.
    forms |= {word, word.translate(_UNLEET)} if len(word) >= 4 and len(lower) - len(word) <= 4 else set()
    return not forms.isdisjoint(_common())


def _holds_phone(lower: str, phone: str) -> bool:
    digits = re.sub(r"\D", "", phone)
    return len(digits) >= 6 and (digits[-6:] in lower or digits[-11:] in lower)


def _births(born_on: date) -> set[str]:
    forms = ("%y%m%d", "%d%m%y", "%m%d%y", "%Y%m", "%m%Y")
    return {born_on.strftime(form) for form in forms}


def _holds_birth(lower: str, born_on: date | None) -> bool:
    return born_on is not None and any(form in lower for form in _births(born_on))


def _name_words(name: str) -> list[str]:
    words = re.split(r"[\s·•・.,'\-]+", unicodedata.normalize("NFKC", name).casefold())
    return [word for word in words if len(word) >= (3 if word.isascii() else 2)]


def _in_runs(lower: str) -> int:
    """How many characters stand in runs of three or more neighbours on a keyboard, or in the alphabet."""
    at = count = 0
    while at < len(lower):
        size = max((_run(lower, at, row) for row in (*_ROWS, *(row[::-1] for row in _ROWS))), default=0)
        if size >= 3:
            count += size
        at += size if size >= 3 else 1
    return count


def _run(lower: str, at: int, row: str) -> int:
    start = row.find(lower[at])
    size = 0
    while (
        start >= 0
        and at + size < len(lower)
        and start + size < len(row)
        and lower[at + size] == row[start + size]
    ):
        size += 1
    return size
