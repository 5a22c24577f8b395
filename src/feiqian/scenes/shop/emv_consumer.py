"""Consumer-presented codes: the QR a customer shows, as other schemes' terminals read it, in exact form.

A payload is base64 of BER-TLV objects. Objects nobody here knows are kept in their place, and a
length field longer than it need be is remembered, so reading and writing gives the same bytes.

Source: EMVCo QR Code Specification for Payment Systems, Consumer-Presented Mode, 1.1.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from feiqian.scenes.shop.emv import MalformedCode, path

FORMAT = b"CPV01"
CHARACTERS_MAX = 512  # of base64

_FORMAT, _APPLICATION, _COMMON = "85", "61", "62"
_TRANSPARENT = {_APPLICATION: "63", _COMMON: "64"}  # the issuer's own objects, inside each template
_AID, _PAN = "4F", "5A"
_TAG_BYTES_MAX = 4
_LENGTH_BYTES_MAX = 4
_DIGITS_PADDED = re.compile("([0-9]{1,19})F*")


@dataclass(frozen=True, slots=True)
class Tlv:
    """A tag in upper-case hex and its bytes."""

    tag: str
    value: bytes
    length_bytes: int = 0  # size of the length field where it is longer than it need be, else 0


@dataclass(frozen=True, slots=True)
class Template:
    """The objects of an application (61) or of the data common to all (62), with names for the usual ones."""

    objects: tuple[Tlv, ...]

    def value(self, tag: str) -> bytes | None:
        """The bytes of an object; None when it is not there."""
        return _value(self.objects, tag)

    @property
    def aid(self) -> bytes | None:
        """Application identifier, ISO 7816-4: 5 to 16 bytes."""
        return self.value(_AID)

    @property
    def label(self) -> str | None:
        """The application's name for people."""
        return self._text("50")

    @property
    def pan(self) -> str | None:
        """The account number or what stands for it, up to 19 digits."""
        value = self.value(_PAN)
        return None if value is None else _digits(value, _PAN)

    @property
    def track2(self) -> str | None:
        """Track 2 equivalent in hex: number, D, expiry YYMM, service code, the rest; padding taken off."""
        value = self.value("57")
        return None if value is None else value.hex().upper().rstrip("F")

    @property
    def cardholder(self) -> str | None:
        """The customer's name as on the card."""
        return self._text("5F20")

    @property
    def languages(self) -> tuple[str, ...]:
        """The customer's languages, best first, two letters each."""
        text = self._text("5F2D") or ""
        return tuple(text[at : at + 2] for at in range(0, len(text), 2))

    @property
    def issuer_url(self) -> str | None:
        """Where the issuer can be asked."""
        return self._text("5F50")

    @property
    def version(self) -> bytes | None:
        """Application version number, two bytes."""
        return self.value("9F08")

    @property
    def token_requestor(self) -> str | None:
        """Token requestor id, eleven digits in six bytes, as hex."""
        return self._hex("9F19")

    @property
    def account_reference(self) -> str | None:
        """Payment account reference: one value for a card and all its tokens."""
        return self._text("9F24")

    @property
    def last_four(self) -> str | None:
        """The last four digits of the card behind a token, as hex."""
        return self._hex("9F25")

    @property
    def transparent(self) -> tuple[Tlv, ...]:
        """The issuer's own objects, from 63 or 64."""
        inside = next((each for each in self.objects if each.tag in _TRANSPARENT.values()), None)
        return read_objects(inside.value, inside.tag) if inside else ()

    def _text(self, tag: str) -> str | None:
        # Latin-1 gives every byte some letter: the texts are only shown, and the bytes stay at hand.
        value = self.value(tag)
        return None if value is None else value.decode("latin-1")

    def _hex(self, tag: str) -> str | None:
        value = self.value(tag)
        return None if value is None else value.hex().upper()


@dataclass(frozen=True, slots=True)
class ConsumerCode:
    """A whole code: its objects in their order, the format indicator first."""

    objects: tuple[Tlv, ...]

    @property
    def applications(self) -> tuple[Template, ...]:
        """The cards or accounts offered, best first."""
        found = (each for each in self.objects if each.tag == _APPLICATION)
        return tuple(Template(read_objects(each.value, _APPLICATION)) for each in found)

    @property
    def common(self) -> Template | None:
        """What holds for all applications."""
        value = _value(self.objects, _COMMON)
        return None if value is None else Template(read_objects(value, _COMMON))


def read(text: str) -> ConsumerCode:
    """A whole code from its base64.

    Raises: MalformedCode naming the first tag at fault, `payload` for the base64 itself.
    """
    if len(text) > CHARACTERS_MAX:
        raise MalformedCode(tag="payload", reason=f"is longer than {CHARACTERS_MAX} characters")
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise MalformedCode(tag="payload", reason="is not base64") from None
    # Several texts decode to the same bytes where unused bits are set; only one of them is a code.
    if base64.b64encode(data).decode() != text:
        raise MalformedCode(tag="payload", reason="is not base64")
    objects = read_objects(data)
    _check(objects)
    return ConsumerCode(objects)


def write(code: ConsumerCode) -> str:
    """The base64 of a code; what `read` gave comes back byte for byte.

    Raises: MalformedCode when `read` would refuse it.
    """
    data = write_objects(code.objects)
    _check(code.objects)
    text = base64.b64encode(data).decode()
    if len(text) > CHARACTERS_MAX:
        raise MalformedCode(tag="payload", reason=f"is longer than {CHARACTERS_MAX} characters")
    return text


def compose(
    applications: Sequence[Sequence[Tlv]], common: Sequence[Tlv] = (), more: Sequence[Tlv] = ()
) -> ConsumerCode:
    """A new code in the usual order. Raises: MalformedCode naming the first tag at fault."""
    objects = [Tlv(_FORMAT, FORMAT)]
    objects += [Tlv(_APPLICATION, write_objects(each, _APPLICATION)) for each in applications]
    if common:
        objects.append(Tlv(_COMMON, write_objects(common, _COMMON)))
    objects += more
    _check(objects)
    return ConsumerCode(tuple(objects))


def payment_code_form(digits19: str, aid: bytes, label: str) -> str:
    """Our one-time payment code as a consumer-presented payload: the 19 digits take the place of the PAN.

    label: up to 16 printable ASCII characters.
    Raises: MalformedCode when a part has no such form.
    """
    if not re.fullmatch("[0-9]{19}", digits19):
        raise MalformedCode(tag=f"{_APPLICATION}.{_PAN}", reason="must be 19 digits")
    if not re.fullmatch("[ -~]{1,16}", label):
        raise MalformedCode(tag=f"{_APPLICATION}.50", reason="must be 1 to 16 printable ASCII characters")
    pan = bytes.fromhex(digits19 + "F")
    return write(compose([[Tlv(_AID, aid), Tlv("50", label.encode()), Tlv(_PAN, pan)]]))


def digits_of(text: str) -> str:
    """The 19 digits of a one-time payment code out of its payload, from the first application with a PAN.

    Raises: MalformedCode when there are no 19 digits there.
    """
    pans = (each.pan for each in read(text).applications)
    digits = next((pan for pan in pans if pan is not None), None)
    if digits is None or len(digits) != 19:
        raise MalformedCode(tag=f"{_APPLICATION}.{_PAN}", reason="must be 19 digits")
    return digits


def read_objects(data: bytes, within: str = "") -> tuple[Tlv, ...]:
    """One level of BER-TLV, in its order; what is inside a template stays bytes.

    Raises: MalformedCode for a padding byte in place of a tag, an indefinite or overlong length and
    a value cut short.
    """
    objects = []
    at = 0
    while at < len(data):
        tag, at = _read_tag(data, at, within)
        place = path(within, tag)
        length, length_bytes, at = _read_length(data, at, place)
        if at + length > len(data):
            raise MalformedCode(tag=place, reason="is cut short")
        longer = length_bytes if length_bytes > len(_length(length)) else 0
        objects.append(Tlv(tag, data[at : at + length], longer))
        at += length
    return tuple(objects)


def write_objects(objects: Iterable[Tlv], within: str = "") -> bytes:
    """One level of objects as bytes. Raises: MalformedCode for a tag or length that has no such form."""
    rows = []
    for each in objects:
        place = path(within, each.tag)
        if not re.fullmatch("([0-9A-F]{2}){1,4}", each.tag):
            raise MalformedCode(tag=place, reason="tag is not upper-case hex")
        if each.length_bytes > _LENGTH_BYTES_MAX:
            raise MalformedCode(tag=place, reason=f"length is longer than {_LENGTH_BYTES_MAX} bytes")
        tag = bytes.fromhex(each.tag)
        if _read_tag(tag, 0, within)[1] != len(tag):
            raise MalformedCode(tag=place, reason="is more than one tag")
        rows.append(tag + _length(len(each.value), each.length_bytes) + each.value)
    return b"".join(rows)


def _read_tag(data: bytes, at: int, within: str) -> tuple[str, int]:
    end = at + 1
    if data[at] & 0x1F == 0x1F:
        while end < len(data) and data[end] & 0x80 and end - at < _TAG_BYTES_MAX:
            end += 1
        end += 1
    tag = data[at:end].hex().upper()
    if end > len(data):
        raise MalformedCode(tag=path(within, tag), reason="tag is cut short")
    if end - at > _TAG_BYTES_MAX:
        raise MalformedCode(tag=path(within, tag), reason=f"tag is longer than {_TAG_BYTES_MAX} bytes")
    if data[at] == 0 or (end - at > 1 and data[at + 1] == 0x80):
        raise MalformedCode(tag=path(within, tag), reason="tag is not one of BER")
    return tag, end


def _read_length(data: bytes, at: int, place: str) -> tuple[int, int, int]:
    """-> the length, the size of its field, where the value begins."""
    if at == len(data):
        raise MalformedCode(tag=place, reason="has no length")
    first = data[at]
    if first < 0x80:
        return first, 1, at + 1
    if first == 0x80:
        raise MalformedCode(tag=place, reason="has an indefinite length")
    size = 1 + (first & 0x7F)
    if size > _LENGTH_BYTES_MAX:
        raise MalformedCode(tag=place, reason=f"length is longer than {_LENGTH_BYTES_MAX} bytes")
    if at + size > len(data):
        raise MalformedCode(tag=place, reason="length is cut short")
    return int.from_bytes(data[at + 1 : at + size], "big"), size, at + size


def _length(length: int, length_bytes: int = 0) -> bytes:
    """The length field, of the size wanted when that is longer than it need be."""
    shortest = 1 if length < 0x80 else 1 + (length.bit_length() + 7) // 8
    size = max(shortest, length_bytes)
    if size == 1:
        return bytes([length])
    return bytes([0x80 | (size - 1)]) + length.to_bytes(size - 1, "big")


def _check(objects: Sequence[Tlv]) -> None:
    """Whether the objects make a code. Raises: MalformedCode at the first fault.

    Of what stands in a template only the identifier and the account number are judged, the two that
    decide where a payment goes; the rest is for the issuer who wrote it.
    """
    if not objects or objects[0].tag != _FORMAT:
        raise MalformedCode(tag=_FORMAT, reason="is not first")
    if objects[0].value != FORMAT:
        raise MalformedCode(tag=_FORMAT, reason="must be CPV01")
    if not any(each.tag == _APPLICATION for each in objects):
        raise MalformedCode(tag=_APPLICATION, reason="is missing")
    _check_once([each.tag for each in objects if each.tag != _APPLICATION], "")
    for each in objects:
        if each.tag in _TRANSPARENT:
            _check_template(each)
        elif each.tag in _TRANSPARENT.values():
            # Its place is inside 61 or 62; outside it is kept where it stands, if it is whole.
            read_objects(each.value, each.tag)


def _check_template(each: Tlv) -> None:
    parts = read_objects(each.value, each.tag)
    _check_once([part.tag for part in parts], each.tag)
    for part in parts:
        place = path(each.tag, part.tag)
        if part.tag == _AID and not 5 <= len(part.value) <= 16:
            raise MalformedCode(tag=place, reason="must be 5 to 16 bytes")
        if part.tag == _PAN:
            _digits(part.value, place)
        if part.tag == _TRANSPARENT[each.tag]:
            read_objects(part.value, place)
    if each.tag == _APPLICATION and _value(parts, _AID) is None:
        raise MalformedCode(tag=path(each.tag, _AID), reason="is missing")


def _check_once(tags: Sequence[str], within: str) -> None:
    for at, tag in enumerate(tags):
        if tag in tags[:at]:
            raise MalformedCode(tag=path(within, tag), reason="comes twice")


def _digits(value: bytes, place: str) -> str:
    found = _DIGITS_PADDED.fullmatch(value.hex().upper())
    if found is None or len(value) > 10:
        raise MalformedCode(tag=place, reason="must be up to 19 digits, two to a byte, padded with F")
    return found[1]


def _value(objects: Iterable[Tlv], tag: str) -> bytes | None:
    return next((each.value for each in objects if each.tag == tag), None)
