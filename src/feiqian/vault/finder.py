"""Finder: card numbers where none belong, so that a text that holds one is refused and not kept.

A number is known by length, check digit and first digits. One in ten long numbers has a sound check
digit by chance, so a caller's own order numbers are refused only when the table of issuers knows them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Any

from feiqian.kernel.errors import Refused
from feiqian.vault.bins import recognise
from feiqian.vault.card import passes_luhn

_GAP = r"[ \-.\u00a0\u2010-\u2015\u3000]"
_RUN = re.compile(rf"(?<!\d)\d(?:{_GAP}?\d){{12,18}}(?!\d)")
_ID = re.compile(r"(?:[a-z]{2,8}_)?[0-9a-f]{32}")
# First digits and lengths of the international schemes. Source: ISO/IEC 7812 and the schemes' own pages.
_SCHEMES = re.compile(
    r"4(\d{12}|\d{15}|\d{18})|5[0-5]\d{14}|(222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"
    r"|3[47]\d{13}|3(0[0-5]|[68]\d)\d{11}|35\d{14}|6(011|4[4-9]\d|5\d\d)\d{12}|62\d{14,17}",
    re.ASCII,
)
_NUMBERS = frozenset({"merchant_order_no", "refund_no", "reference"})  # a caller's own, often all digits
_CODES = frozenset({"code", "payment_code"})  # read, checked and never kept as sent
_NAME_MAX = 40
_SECRETS = frozenset(
    (
        *("cvv", "cvc", "cvv2", "cvc2", "cvn", "cvn2", "cid", "csc", "card_code", "card_security_code"),
        *("security_code", "verification_value", "pin", "pin_block", "pinblock", "track", "track1"),
        *("track2", "track3", "track_1", "track_2", "track_3", "track_data", "magstripe", "magnetic_stripe"),
        *("安全码", "磁道", "取款密码", "银行卡密码"),
    )
)


class CardNumberRefused(Refused):
    """There is a card number where none belongs. Send it to the cards' own address, and nowhere else."""

    code, status, zh = "card_number_refused", 422, "此处不得填写银行卡号；卡号只能提交到绑卡接口。"


class CardSecretRefused(Refused):
    """Card codes, tracks and PINs are never taken, not even to be thrown away. Leave the field out."""

    code, status, zh = "card_secret_refused", 422, "不接受卡片安全码、磁道信息和个人密码，请去掉该字段。"


def check_free_of_cards(
    value: Any,
    param: str | None = None,
    allowed: str | None = None,
    declared: Collection[str] = (),
) -> None:
    """Pass, or refuse a value with a card number, card code, track or PIN anywhere in it.

    allowed: the one outer field in which a number belongs. declared: outer fields the reader knows, so
    that one called `pin` is none of a card.
    Raises: CardNumberRefused, CardSecretRefused; neither says what was found.
    """
    if isinstance(value, str):
        _check_text(value, param, param in _NUMBERS)
    elif isinstance(value, dict):
        for key, inner in value.items():
            # A key is the caller's text too, and must not come back in the answer.
            _check_text(key, param, False)
            if key not in declared and len(key) <= _NAME_MAX and _is_secret(key):
                raise CardSecretRefused(param)
            if key == allowed or (key in _CODES and isinstance(inner, str)):
                continue
            check_free_of_cards(inner, key)
    elif isinstance(value, list):
        for inner in value:
            check_free_of_cards(inner, param)
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**12:
        _check_text(str(abs(value)), param, False)


def card_numbers(text: str, *, sure: bool = False) -> Iterator[str]:
    """Every card number in a text, as digits. sure: only those whose issuer the table knows."""
    if len(text) < 13 or _ID.fullmatch(text):
        return
    for found in _RUN.finditer(text):
        digits = "".join(str(unicodedata.digit(sign)) for sign in found[0] if sign.isdigit())
        known = recognise(digits).name is not None or (not sure and _SCHEMES.fullmatch(digits))
        if known and passes_luhn(digits):
            yield digits


def _check_text(text: str, param: str | None, sure: bool) -> None:
    if next(card_numbers(text, sure=sure), None) is not None:
        raise CardNumberRefused(param)


@lru_cache(maxsize=4096)
def _is_secret(key: str) -> bool:
    """Whether fields of this name hold what is never taken, however the name is written."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key.strip())
    return re.sub(r"[\s\-]+", "_", words).lower() in _SECRETS
