"""Merchant-presented codes: the QR a shop prints or shows, read and written exactly.

A payload is a row of data objects, each a two-digit tag, a two-digit length and a text; the text of
a template is again such a row. Lengths count characters, the checksum runs over their UTF-8 bytes.
Objects nobody here knows are kept in their place, so reading and writing gives the same string.

Source: EMVCo QR Code Specification for Payment Systems, Merchant-Presented Mode, 1.1.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from feiqian.scenes.shop.emv import MalformedCode, path

Tip = Literal["asked", "fixed", "percent"]
_TIPS: dict[str, Tip] = {"01": "asked", "02": "fixed", "03": "percent"}
_CRC = "63"
_MANDATORY = ("00", "52", "53", "58", "59", "60")

_TWO_DIGITS = re.compile(r"[0-9]{2}")
# Lone surrogates stand here as well: they have no UTF-8 bytes to take a checksum over.
_NOT_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_AMOUNT = re.compile(r"(?=.{1,13}\Z)[0-9]+(\.[0-9]*)?")


@dataclass(frozen=True, slots=True)
class DataObject:
    """A tag and its text; for a template, `parts` are the objects inside."""

    tag: str
    value: str

    def parts(self) -> tuple[DataObject, ...]:
        """The objects of a template. Raises: MalformedCode when the text is no row of objects."""
        return read_objects(self.value, self.tag)


@dataclass(frozen=True, slots=True)
class Account:
    """Merchant account information of one payment system, a template 26 to 51."""

    tag: str
    guid: str
    parts: tuple[DataObject, ...]

    def value(self, tag: str) -> str | None:
        """The text of a part, by the payment system's own numbering."""
        return _value(self.parts, tag)


@dataclass(frozen=True, slots=True)
class MerchantCode:
    """A whole code: its objects in their order, without the checksum, which `write` adds."""

    objects: tuple[DataObject, ...]

    def value(self, tag: str, part: str | None = None) -> str | None:
        """The text of an object, or of a part of a template; None when it is not there."""
        found = _find(self.objects, tag)
        if found is None:
            return None
        return found.value if part is None else _value(found.parts(), part)

    @property
    def is_dynamic(self) -> bool | None:
        """True for a code made for one purchase, False for a printed one, None when it does not say."""
        stated = self.value("01")
        return None if stated is None else stated == "12"

    @property
    def mcc(self) -> str:
        """Merchant category, four digits of ISO 18245."""
        return self._must("52")

    @property
    def currency(self) -> str:
        """Three digits of ISO 4217."""
        return self._must("53")

    @property
    def amount_text(self) -> str | None:
        """The amount as written."""
        return self.value("54")

    def amount_minor(self, exponent: int) -> int | None:
        """The amount in minor units; None when the payer is to enter it.

        A code asks the payer by leaving the amount out, and some by stating zero.
        exponent: decimals of the currency.
        Raises: MalformedCode when the amount has more decimals than the currency.
        """
        text = self.amount_text
        return (to_minor(text, exponent) or None) if text is not None else None

    @property
    def tip(self) -> Tip | None:
        """Whether the payer is asked for a tip, or a fixed or percentage fee is added."""
        return _TIPS.get(self.value("55") or "")

    @property
    def fee_text(self) -> str | None:
        """The fixed fee (`tip` is fixed) or the percentage (`tip` is percent), as written."""
        tag = {"fixed": "56", "percent": "57"}.get(self.tip or "")
        return self.value(tag) if tag else None

    @property
    def country(self) -> str:
        """Two letters of ISO 3166-1."""
        return self._must("58")

    @property
    def name(self) -> str:
        """The merchant's name in the code's common language."""
        return self._must("59")

    @property
    def city(self) -> str:
        """The city the merchant trades in."""
        return self._must("60")

    @property
    def postal(self) -> str | None:
        """The merchant's postal code."""
        return self.value("61")

    @property
    def bill_number(self) -> str | None:
        """The invoice; three asterisks mean that the payer is to enter it, here as in every label of 62."""
        return self.value("62", "01")

    @property
    def store_label(self) -> str | None:
        """Which of the merchant's stores."""
        return self.value("62", "03")

    @property
    def reference_label(self) -> str | None:
        """The merchant's or acquirer's reference of this purchase."""
        return self.value("62", "05")

    @property
    def terminal_label(self) -> str | None:
        """Which of the store's terminals."""
        return self.value("62", "07")

    @property
    def language(self) -> str | None:
        """The language of the local name, two letters of ISO 639 as written."""
        return self.value("64", "00")

    @property
    def local_name(self) -> str | None:
        """The merchant's name in `language`."""
        return self.value("64", "01")

    @property
    def local_city(self) -> str | None:
        """The city in `language`."""
        return self.value("64", "02")

    @property
    def networks(self) -> dict[str, str]:
        """Account texts of the networks with a tag of their own, 02 to 25, by tag."""
        return {each.tag: each.value for each in self.objects if "02" <= each.tag <= "25"}

    @property
    def accounts(self) -> tuple[Account, ...]:
        """The account templates, 26 to 51, in their order."""
        rows = ((each.tag, each.parts()) for each in self.objects if "26" <= each.tag <= "51")
        return tuple(Account(tag, _value(parts, "00") or "", parts) for tag, parts in rows)

    def account(self, guid: str) -> Account | None:
        """The first account of a payment system, by its globally unique id in any letter case.

        Ids are domain names, UUIDs or application ids, and codes write each of them in both cases.
        """
        return next((each for each in self.accounts if each.guid.lower() == guid.lower()), None)

    def _must(self, tag: str) -> str:
        value = self.value(tag)
        if value is None:
            raise MalformedCode(tag=tag, reason="is missing")
        return value


def read(payload: str) -> MerchantCode:
    """A whole code, checksum and all.

    The checksum is judged before anything the objects say: what a damaged code states is not worth
    a more exact complaint.
    Raises: MalformedCode naming the first tag at fault.
    """
    objects = read_objects(payload)
    found = _find(objects, _CRC)
    if found is None:
        raise MalformedCode(tag=_CRC, reason="is missing")
    if objects[-1] is not found:
        raise MalformedCode(tag=_CRC, reason="is not last")
    if len(found.value) != 4:
        raise MalformedCode(tag=_CRC, reason="is not four characters long")
    if found.value != crc(payload[:-4]):
        raise MalformedCode(tag=_CRC, reason="does not match")
    _check(objects[:-1], _READ_RULES)
    return MerchantCode(objects[:-1])


def write(code: MerchantCode) -> str:
    """The payload of a code; what `read` gave comes back character for character.

    Raises: MalformedCode when `read` would refuse it.
    """
    _check(code.objects, _READ_RULES)
    body = write_objects(code.objects) + _CRC + "04"
    return body + crc(body)


def compose(
    *,
    accounts: Sequence[DataObject],
    name: str,
    city: str,
    country: str,
    currency: str,
    mcc: str,
    amount: str | None = None,
    dynamic: bool | None = None,
    postal: str | None = None,
    additional: Mapping[str, str] | None = None,
    local: Mapping[str, str] | None = None,
    more: Sequence[DataObject] = (),
) -> MerchantCode:
    """A new code in the usual order, held to the letter of the standard.

    accounts: objects 02 to 51, one or more. amount: `to_text(minor, exponent)`. additional: the parts
    of 62, such as {"05": reference}. local: the parts of 64. more: objects for the end, tips included.
    Raises: MalformedCode naming the first tag at fault.
    """
    primitives = {
        "00": "01",
        "01": None if dynamic is None else "12" if dynamic else "11",
        "52": mcc,
        "53": currency,
        "54": amount,
        "58": country,
        "59": name,
        "60": city,
        "61": postal,
    }
    stated = [DataObject(tag, text) for tag, text in primitives.items() if text is not None]
    head = [each for each in stated if each.tag < "02"]
    objects = [*head, *accounts, *stated[len(head) :]]
    objects += [template(tag, parts) for tag, parts in (("62", additional), ("64", local)) if parts]
    _check([*objects, *more], _WRITE_RULES)
    return MerchantCode((*objects, *more))


def template(tag: str, parts: Mapping[str, str]) -> DataObject:
    """An object made of others: `template("26", {"00": "cn.example", "01": "S1"})`."""
    return DataObject(tag, write_objects((DataObject(part, text) for part, text in parts.items()), tag))


def read_objects(text: str, within: str = "") -> tuple[DataObject, ...]:
    """One level of objects, in their order; what is inside a template stays text.

    Raises: MalformedCode for a tag or length that is not two digits, a length of zero, a text cut
    short or holding control characters, and a tag that comes twice.
    """
    objects: dict[str, DataObject] = {}
    at = 0
    while at < len(text):
        tag, length, place = text[at : at + 2], text[at + 2 : at + 4], path(within, text[at : at + 2])
        if not _TWO_DIGITS.fullmatch(tag):
            raise MalformedCode(tag=place, reason=f"tag at character {at + 1} is not two digits")
        if not _TWO_DIGITS.fullmatch(length):
            raise MalformedCode(tag=place, reason="length is not two digits")
        at += 4 + int(length)
        if at > len(text):
            raise MalformedCode(tag=place, reason="is cut short")
        if tag in objects:
            raise MalformedCode(tag=place, reason="comes twice")
        objects[tag] = DataObject(tag, text[at - int(length) : at])
        _check_text(objects[tag], place)
    return tuple(objects.values())


def write_objects(objects: Iterable[DataObject], within: str = "") -> str:
    """One level of objects as text. Raises: MalformedCode for a tag or text that has no such form."""
    rows = []
    for each in objects:
        place = path(within, each.tag)
        if not _TWO_DIGITS.fullmatch(each.tag):
            raise MalformedCode(tag=place, reason="tag is not two digits")
        _check_text(each, place)
        rows.append(f"{each.tag}{len(each.value):02d}{each.value}")
    return "".join(rows)


def crc(text: str) -> str:
    """CRC-16/CCITT-FALSE of the UTF-8 bytes as four upper-case hex digits. text: up to and with "6304"."""
    return f"{binascii.crc_hqx(text.encode(), 0xFFFF):04X}"


def to_minor(text: str, exponent: int, tag: str = "54") -> int:
    """An amount as the code writes it in minor units: `to_minor("23.7", 2)` is 2370. Never rounds.

    Raises: MalformedCode when it is no amount, or has more decimals than the currency.
    """
    if not _AMOUNT.fullmatch(text):
        raise MalformedCode(tag=tag, reason=_IS_AMOUNT)
    whole, _, decimals = text.partition(".")
    if decimals[exponent:].strip("0"):
        raise MalformedCode(tag=tag, reason=f"has more than {exponent} decimals")
    return int(whole + decimals[:exponent].ljust(exponent, "0"))


def to_text(minor: int, exponent: int, tag: str = "54") -> str:
    """Minor units as the code writes them: `to_text(2370, 2)` is 23.70.

    Raises: MalformedCode when it is below zero or longer than 13 characters.
    """
    digits = str(minor).rjust(exponent + 1, "0")
    text = f"{digits[:-exponent]}.{digits[-exponent:]}" if exponent else digits
    if not _AMOUNT.fullmatch(text):
        raise MalformedCode(tag=tag, reason=_IS_AMOUNT)
    return text


# What a text must look like, and the complaint when it does not. Parts of 62 and 64 by their path.
_IS_AMOUNT = "must be digits with at most one point, up to 13 characters"
_Rules = Mapping[str, tuple[re.Pattern[str], str]]


def _up_to(most: int) -> tuple[re.Pattern[str], str]:
    return re.compile(f"(?s:.){{1,{most}}}"), f"must be at most {most} characters"


_WRITE_RULES: _Rules = {
    "00": (re.compile("01"), "must be 01"),
    "01": (re.compile("1[12]"), "must be 11 or 12"),
    "52": (re.compile("[0-9]{4}"), "must be four digits"),
    "53": (re.compile("[0-9]{3}"), "must be three digits"),
    "54": (re.compile(rf"(?=.*[1-9]){_AMOUNT.pattern}"), _IS_AMOUNT + ", above zero"),
    "55": (re.compile("0[123]"), "must be 01, 02 or 03"),
    "56": (re.compile(rf"(?=.*[1-9]){_AMOUNT.pattern}"), _IS_AMOUNT + ", above zero"),
    "57": (re.compile(r"(?=.*[1-9])[0-9]{1,2}(\.[0-9]{0,2})?"), "must be from 00.01 to 99.99"),
    "58": (re.compile("[A-Z]{2}"), "must be two capital letters"),
    "59": _up_to(25),
    "60": _up_to(15),
    "61": _up_to(10),
    **{f"62.{part:02d}": _up_to(25) for part in range(1, 9)},
    "62.09": (re.compile(r"(?!.*(.).*\1)[AME]{1,3}"), "must be one or more of A, M and E"),
    "64.00": (re.compile("[A-Za-z]{2}"), "must be two letters"),
    "64.01": _up_to(25),
    "64.02": _up_to(15),
}

# Where codes in use depart from the standard without leaving their meaning in doubt, reading is wider
# than writing. An amount of zero: Pix codes state it where the payer is to enter the amount. Cities
# of more than 15 characters, up to a name's 25: Pix codes carry them, and the text is only shown.
# The requests in 62.09: a letter nobody knows asks for nothing.
_READ_RULES: _Rules = {
    **_WRITE_RULES,
    "54": (_AMOUNT, _IS_AMOUNT),
    "60": _up_to(25),
    "62.09": _up_to(25),
    "64.02": _up_to(25),
}


def _check(objects: Sequence[DataObject], rules: _Rules) -> None:
    """Whether the objects, checksum apart, make a code. Raises: MalformedCode at the first fault."""
    tags = [each.tag for each in objects]
    for tag in (*_MANDATORY, *tags):
        if tags.count(tag) != 1:
            raise MalformedCode(tag=path("", tag), reason="comes twice" if tag in tags else "is missing")
        if not _TWO_DIGITS.fullmatch(tag):
            raise MalformedCode(tag=path("", tag), reason="tag is not two digits")
    if tags[0] != "00":
        raise MalformedCode(tag="00", reason="is not first")
    if _CRC in tags:
        raise MalformedCode(tag=_CRC, reason="is added by writing")
    if not any("02" <= tag <= "51" for tag in tags):
        raise MalformedCode(tag="02-51", reason="no merchant account")
    for each in objects:
        _check_text(each, path("", each.tag))
        _check_object(each, each.tag, rules)
    _check_tip(objects, rules)


def _check_object(each: DataObject, place: str, rules: _Rules) -> None:
    if rule := rules.get(place):
        pattern, complaint = rule
        if not pattern.fullmatch(each.value):
            raise MalformedCode(tag=place, reason=complaint)
    has_guid = _has_guid(place)
    if not has_guid and place not in ("62", "64"):
        return
    parts = read_objects(each.value, place)
    for mandatory in ("00",) if has_guid else ("00", "01") if place == "64" else ():
        if _find(parts, mandatory) is None:
            raise MalformedCode(tag=path(place, mandatory), reason="is missing")
    if has_guid and len(_value(parts, "00") or "") > 32:
        raise MalformedCode(tag=path(place, "00"), reason="must be at most 32 characters")
    if not has_guid:
        for part in parts:
            _check_object(part, path(place, part.tag), rules)


def _has_guid(place: str) -> bool:
    """Whether this is a template that opens with the globally unique id of a payment system."""
    return "26" <= place <= "51" or "80" <= place <= "99" or "62.50" <= place <= "62.99"


def _check_tip(objects: Sequence[DataObject], rules: _Rules) -> None:
    stated = _value(objects, "55")
    for tag, owner in (("56", "02"), ("57", "03")):
        present = _find(objects, tag) is not None
        if stated == owner and not present:
            raise MalformedCode(tag=tag, reason="is missing")
        # Read but never written: where the payer enters the tip, a fee left standing has no effect.
        idle = stated == "01" and rules is _READ_RULES
        if present and stated != owner and not idle:
            raise MalformedCode(tag=tag, reason=f"goes with {owner} in 55 only")


def _check_text(each: DataObject, place: str) -> None:
    if not 1 <= len(each.value) <= 99:
        raise MalformedCode(tag=place, reason="must be 1 to 99 characters")
    if _NOT_TEXT.search(each.value):
        raise MalformedCode(tag=place, reason="holds a control character")


def _find(objects: Iterable[DataObject], tag: str) -> DataObject | None:
    return next((each for each in objects if each.tag == tag), None)


def _value(objects: Iterable[DataObject], tag: str) -> str | None:
    return next((each.value for each in objects if each.tag == tag), None)
