"""OCRA: a number that answers a question, so that it is good for this one thing only (RFC 6287). Pure.

A suite such as `OCRA-1:HOTP-SHA512-8:C-QN08-PSHA1-S064-T1M` says how the number is made and what goes
in: a counter, the question, a PIN's digest, the session's data, the time. The suite itself goes in
too, so that a number made under one suite passes under no other.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from functools import lru_cache
from typing import Literal

import msgspec

from feiqian.access.factors.otp import ALGORITHMS, COUNTER_MAX, truncate
from feiqian.kernel.errors import Refused

QUESTION_BYTES = 128

_UNITS = {"S": (1, 1, 59), "M": (60, 1, 59), "H": (3600, 1, 48)}  # seconds, least, most
_ALPHABETS = {"N": r"[0-9]*", "A": r"[0-9A-Za-z]*", "H": r"[0-9A-Fa-f]*"}


class BadSuite(Refused):
    """This is no OCRA suite. What is wrong is named; a good one is `OCRA-1:HOTP-SHA256-8:QN08`."""

    code, status, zh = (
        "bad_ocra_suite",
        422,
        "OCRA 套件有误，原因见说明；正确示例：OCRA-1:HOTP-SHA256-8:QN08。",
    )


class BadOcraInput(Refused):
    """The suite asks for other input. Give what it names, in its format, and nothing else."""

    code, status, zh = "bad_ocra_input", 422, "输入与 OCRA 套件不符，请按套件所列项目和格式提供。"


class Suite(msgspec.Struct, frozen=True):
    """A suite, read. digits: 0 leaves the MAC whole. pin: the digest's algorithm.

    question_max: characters of one party's question. session_bytes, step_seconds: None where not used.
    """

    text: str
    algorithm: str
    digits: int
    counter: bool
    question: Literal["N", "A", "H"]
    question_max: int
    pin: str | None
    session_bytes: int | None
    step_seconds: int | None


@lru_cache(maxsize=256)
def read_suite(text: str) -> Suite:
    """The suite behind its text. Raises: BadSuite naming what is wrong."""
    parts = text.split(":")
    if len(parts) != 3:
        raise BadSuite("suite", reason="not three parts between colons")
    if parts[0] != "OCRA-1":
        raise BadSuite("suite", reason="the first part is not OCRA-1")
    algorithm, digits = _function(parts[1])
    inputs = parts[2].split("-")
    counter = inputs[0] == "C"
    rest = inputs[1:] if counter else inputs
    if not rest or not rest[0].startswith("Q"):
        raise BadSuite("suite", reason="no question, or not at its place")
    question, question_max = _question(rest.pop(0))
    pin = _pin(rest.pop(0)) if rest and rest[0].startswith("P") else None
    session = _session(rest.pop(0)) if rest and rest[0].startswith("S") else None
    step = _step(rest.pop(0)) if rest and rest[0].startswith("T") else None
    if rest:
        raise BadSuite("suite", reason="an input unknown, doubled or out of the order C-Q-P-S-T")
    return Suite(text, algorithm, digits, counter, question, question_max, pin, session, step)


def ocra(
    suite: Suite | str,
    key: bytes,
    question: str,
    *,
    counter: int | None = None,
    pin: str | None = None,
    session: bytes | None = None,
    steps: int | None = None,
) -> str:
    """The number that answers the question: digits, or the whole MAC in hexadecimal for 0 digits.

    question: one party's, or both joined where each proves itself to the other (`mutual`). steps: time
    as `steps_at` counts it. Each is given exactly when the suite names it.
    Raises: BadSuite, BadOcraInput.
    """
    suite = read_suite(suite) if isinstance(suite, str) else suite
    if not key:
        raise BadOcraInput("key", reason="empty")
    message = [suite.text.encode("ascii"), b"\0"]
    if _given("counter", counter, suite.counter):
        message.append(_eight("counter", counter))
    message.append(_question_bytes(suite, question))
    if _given("pin", pin, suite.pin is not None) and pin is not None:
        message.append(hashlib.new(ALGORITHMS[suite.pin or ""], pin.encode()).digest())
    if _given("session", session, suite.session_bytes is not None) and session is not None:
        if len(session) > (suite.session_bytes or 0):
            raise BadOcraInput("session", bytes_max=suite.session_bytes)
        # Padded on the left, as the RFC's reference code does; its text does not say.
        message.append(session.rjust(suite.session_bytes or 0, b"\0"))
    if _given("steps", steps, suite.step_seconds is not None):
        message.append(_eight("steps", steps))
    mac = hmac.digest(key, b"".join(message), ALGORITHMS[suite.algorithm])
    return truncate(mac, suite.digits) if suite.digits else mac.hex()


def mutual(suite: Suite | str, first: str, second: str) -> str:
    """Both parties' questions as one; who answers puts the other's first. Source: RFC 6287, 7.2.

    Raises: BadSuite, BadOcraInput.
    """
    suite = read_suite(suite) if isinstance(suite, str) else suite
    for one in (first, second):
        check_question(suite, one)
    return first + second


def check_question(suite: Suite, question: str) -> None:
    """Pass one party's question, or say why not. Raises: BadOcraInput."""
    if not question or len(question) > suite.question_max:
        raise BadOcraInput("question", characters_max=suite.question_max)
    if not re.fullmatch(_ALPHABETS[suite.question], question):
        raise BadOcraInput("question", format=suite.question)


def steps_at(suite: Suite, unix_time: int) -> int | None:
    """The time as the suite counts it, None where it does not."""
    return None if suite.step_seconds is None else unix_time // suite.step_seconds


def _function(text: str) -> tuple[str, int]:
    parts = text.split("-")
    if len(parts) != 3 or parts[0] != "HOTP":
        raise BadSuite("suite", reason="the function is not HOTP-hash-digits")
    if parts[1] not in ALGORITHMS:
        raise BadSuite("suite", reason="the hash is not SHA1, SHA256 or SHA512")
    if not re.fullmatch(r"0|[4-9]|10", parts[2]):
        raise BadSuite("suite", reason="the digits are not 0 or 4 to 10")
    return parts[1], int(parts[2])


def _question(text: str) -> tuple[Literal["N", "A", "H"], int]:
    # The grammar has two digits, an example in the same RFC one: QH8.
    found = re.fullmatch(r"Q([ANH])([0-9]{1,2})", text)
    if found is None:
        raise BadSuite("suite", reason="the question is not QA, QN or QH and a length")
    if not 4 <= int(found[2]) <= 64:
        raise BadSuite("suite", reason="the question's length is not 04 to 64")
    return found[1], int(found[2])  # type: ignore[return-value]


def _pin(text: str) -> str:
    if text[1:] not in ALGORITHMS:
        raise BadSuite("suite", reason="the PIN's hash is not SHA1, SHA256 or SHA512")
    return text[1:]


def _session(text: str) -> int:
    if not re.fullmatch(r"S[0-9]{3}", text) or not 1 <= int(text[1:]) <= 512:
        raise BadSuite("suite", reason="the session's length is not 001 to 512")
    return int(text[1:])


def _step(text: str) -> int:
    found = re.fullmatch(r"T([1-9][0-9]?)([SMH])", text)
    if found is None:
        raise BadSuite("suite", reason="the time step is not T, a number and S, M or H")
    seconds, least, most = _UNITS[found[2]]
    if not least <= int(found[1]) <= most:
        raise BadSuite("suite", reason="the time step is not 1-59S, 1-59M or 1-48H")
    return int(found[1]) * seconds


def _given(name: str, value: object, wanted: bool) -> bool:
    if wanted and value is None:
        raise BadOcraInput(name, reason="missing")
    if not wanted and value is not None:
        raise BadOcraInput(name, reason="not in the suite")
    return wanted


def _eight(name: str, value: int | None) -> bytes:
    if value is None or not 0 <= value <= COUNTER_MAX:
        raise BadOcraInput(name, reason="out of range")
    return value.to_bytes(8, "big")


def _question_bytes(suite: Suite, question: str) -> bytes:
    """Hexadecimal, filled with zeros on the right, also to make the last half byte whole."""
    if not question or len(question) > min(2 * suite.question_max, QUESTION_BYTES):
        raise BadOcraInput("question", characters_max=suite.question_max)
    if not re.fullmatch(_ALPHABETS[suite.question], question):
        raise BadOcraInput("question", format=suite.question)
    if suite.question == "N":
        shown = f"{int(question):x}"
    elif suite.question == "A":
        shown = question.encode("ascii").hex()
    else:
        shown = question
    return bytes.fromhex(shown.ljust(2 * QUESTION_BYTES, "0"))
