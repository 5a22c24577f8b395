"""HOTP, TOTP and OCRA against the RFCs' own numbers, a second implementation, and everything malformed."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feiqian.access.factors.ocra import BadOcraInput, BadSuite, mutual, ocra, read_suite, steps_at
from feiqian.access.factors.otp import BadOtp, hotp, same, totp

VECTORS = Path(__file__).parents[2] / "vectors" / "otp"


def cases(name: str) -> list[Any]:
    found = json.loads((VECTORS / name).read_text("utf-8"))["cases"]
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("case", cases("hotp.json"), ids=lambda case: str(case["counter"]))
def test_hotp_makes_the_published_numbers(case):
    key = case["secret_ascii"].encode()
    assert hotp(key, case["counter"], case["digits"], case["algorithm"]) == case["otp"]


@pytest.mark.parametrize(
    "case", cases("totp.json"), ids=lambda case: f"{case['unix_time']}-{case['algorithm']}"
)
def test_totp_makes_the_published_numbers(case):
    made = totp(
        case["secret_ascii"].encode(), case["unix_time"], case["digits"], case["algorithm"], case["step"]
    )
    assert made == case["otp"]


@pytest.mark.parametrize(
    "case", cases("ocra.json"), ids=lambda case: f"{case['suite']} {case['inputs']['Q']}"
)
def test_ocra_makes_the_published_numbers(case):
    given, key = case["inputs"], case["key_ascii"].encode()
    made = ocra(
        case["suite"],
        key,
        given["Q"],
        counter=given.get("C"),
        pin=given.get("P"),
        session=bytes.fromhex(given["S"]) if "S" in given else None,
        steps=given.get("T"),
    )
    assert made == case["otp"]


@given(st.binary(min_size=14, max_size=80), st.integers(0, 2**63), st.sampled_from([6, 7, 8]))
def test_a_second_implementation_agrees(key, counter, digits):
    secret = base64.b32encode(key).decode()
    for name, digest in (("SHA1", hashlib.sha1), ("SHA256", hashlib.sha256), ("SHA512", hashlib.sha512)):
        assert hotp(key, counter, digits, name) == pyotp.HOTP(secret, digits=digits, digest=digest).at(
            counter
        )
    moment = counter % 2**33
    assert totp(key, moment, digits) == pyotp.TOTP(secret, digits=digits).at(moment)


@pytest.mark.parametrize(
    ("key", "counter", "digits", "algorithm"),
    [(b"", 0, 6, "SHA1"), (b"k", -1, 6, "SHA1"), (b"k", 2**64, 6, "SHA1"), (b"k", 0, 0, "SHA1"),
     (b"k", 0, 11, "SHA1"), (b"k", 0, 6, "MD5"), (b"k", 0, 6, "sha1")],
)  # fmt: skip
def test_what_makes_no_number_is_refused(key, counter, digits, algorithm):
    with pytest.raises(BadOtp):
        hotp(key, counter, digits, algorithm)


@pytest.mark.parametrize(("moment", "step"), [(-1, 30), (0, 0)])
def test_there_is_no_step_before_1970_nor_one_of_no_length(moment, step):
    with pytest.raises(BadOtp):
        totp(b"k", moment, step_seconds=step)


def test_all_parts_of_a_suite_are_read():
    suite = read_suite("OCRA-1:HOTP-SHA512-8:C-QA10-PSHA256-S128-T30S")
    assert (suite.algorithm, suite.digits, suite.counter) == ("SHA512", 8, True)
    assert (suite.question, suite.question_max, suite.pin) == ("A", 10, "SHA256")
    assert (suite.session_bytes, suite.step_seconds) == (128, 30)
    assert steps_at(suite, 90) == 3
    assert steps_at(read_suite("OCRA-1:HOTP-SHA1-6:QN08"), 90) is None
    assert read_suite("OCRA-1:HOTP-SHA1-4:QH8-S512").question_max == 8  # the RFC's own example
    assert read_suite("OCRA-1:HOTP-SHA1-6:QN08-T48H").step_seconds == 48 * 3600


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "three parts"),
        ("OCRA-1:HOTP-SHA1-6", "three parts"),
        ("OCRA-1:HOTP-SHA1-6:QN08:", "three parts"),
        ("OCRA-2:HOTP-SHA1-6:QN08", "OCRA-1"),
        ("ocra-1:HOTP-SHA1-6:QN08", "OCRA-1"),
        ("OCRA-1:TOTP-SHA1-6:QN08", "function"),
        ("OCRA-1:HOTP-SHA1:QN08", "function"),
        ("OCRA-1:HOTP-MD5-6:QN08", "hash"),
        ("OCRA-1:HOTP-sha1-6:QN08", "hash"),
        ("OCRA-1:HOTP-SHA1-3:QN08", "digits"),
        ("OCRA-1:HOTP-SHA1-11:QN08", "digits"),
        ("OCRA-1:HOTP-SHA1-06:QN08", "digits"),
        ("OCRA-1:HOTP-SHA1-:QN08", "digits"),
        ("OCRA-1:HOTP-SHA1-٦:QN08", "digits"),
        ("OCRA-1:HOTP-SHA1-6:", "no question"),
        ("OCRA-1:HOTP-SHA1-6:C", "no question"),
        ("OCRA-1:HOTP-SHA1-6:PSHA1-QN08", "no question"),
        ("OCRA-1:HOTP-SHA1-6:C-C-QN08", "no question"),
        ("OCRA-1:HOTP-SHA1-6:Q", "QA, QN or QH"),
        ("OCRA-1:HOTP-SHA1-6:QX08", "QA, QN or QH"),
        ("OCRA-1:HOTP-SHA1-6:QN008", "QA, QN or QH"),
        ("OCRA-1:HOTP-SHA1-6:QN03", "04 to 64"),
        ("OCRA-1:HOTP-SHA1-6:QN65", "04 to 64"),
        ("OCRA-1:HOTP-SHA1-6:QN08-P", "PIN's hash"),
        ("OCRA-1:HOTP-SHA1-6:QN08-PMD5", "PIN's hash"),
        ("OCRA-1:HOTP-SHA1-6:QN08-S64", "session"),
        ("OCRA-1:HOTP-SHA1-6:QN08-S000", "session"),
        ("OCRA-1:HOTP-SHA1-6:QN08-S513", "session"),
        ("OCRA-1:HOTP-SHA1-6:QN08-T", "time step"),
        ("OCRA-1:HOTP-SHA1-6:QN08-T0H", "time step"),
        ("OCRA-1:HOTP-SHA1-6:QN08-T60S", "1-59S"),
        ("OCRA-1:HOTP-SHA1-6:QN08-T60M", "1-59S"),
        ("OCRA-1:HOTP-SHA1-6:QN08-T49H", "1-59S"),
        ("OCRA-1:HOTP-SHA1-6:QN08-T1D", "time step"),
        ("OCRA-1:HOTP-SHA1-6:QN08-T1M-S064", "order"),
        ("OCRA-1:HOTP-SHA1-6:QN08-PSHA1-PSHA1", "order"),
        ("OCRA-1:HOTP-SHA1-6:QN08-", "order"),
        ("OCRA-1:HOTP-SHA1-6:QN08-X", "order"),
        ("OCRA-1:HOTP-SHA1-6:QN08\n", "QA, QN or QH"),
    ],
)
def test_a_malformed_suite_is_refused_for_the_reason_named(text, reason):
    with pytest.raises(BadSuite) as caught:
        ocra(text, b"key", "12345678")
    assert reason in caught.value.facts["reason"]


FULL = "OCRA-1:HOTP-SHA256-8:C-QN08-PSHA1-S064-T1M"
GIVEN = {"question": "12345678", "counter": 1, "pin": "1234", "session": b"s", "steps": 5}


def test_every_input_and_the_suite_count():
    """Each input changed alone gives another number."""
    made = {ocra(FULL, b"key", **GIVEN)}
    changes = {"question": "12345679", "counter": 2, "pin": "1235", "session": b"t", "steps": 6}
    for name, value in changes.items():
        made.add(ocra(FULL, b"key", **{**GIVEN, name: value}))
    made.add(ocra(FULL, b"kez", **GIVEN))
    made.add(ocra(FULL.replace("QN08", "QN09"), b"key", **GIVEN))
    assert len(made) == 8
    assert ocra(FULL, b"key", **{**GIVEN, "session": b"\0s"}) in made  # filled up on the left


@pytest.mark.parametrize(
    ("suite", "change", "param"),
    [
        (FULL, {"counter": None}, "counter"),
        (FULL, {"counter": -1}, "counter"),
        (FULL, {"counter": 2**64}, "counter"),
        (FULL, {"pin": None}, "pin"),
        (FULL, {"session": None}, "session"),
        (FULL, {"session": b"x" * 65}, "session"),
        (FULL, {"steps": None}, "steps"),
        (FULL, {"question": ""}, "question"),
        (FULL, {"question": "1234567a"}, "question"),
        (FULL, {"question": "١٢٣٤٥٦٧٨"}, "question"),
        (FULL, {"question": "1" * 17}, "question"),
        (FULL.replace("QN08", "QH08"), {"question": "abcdefgh"}, "question"),
        (FULL.replace("QN08", "QA08"), {"question": "a b"}, "question"),
        (FULL.replace("C-", ""), {}, "counter"),
        (FULL.replace("-PSHA1", ""), {}, "pin"),
        (FULL.replace("-S064", ""), {}, "session"),
        (FULL.replace("-T1M", ""), {}, "steps"),
    ],
)
def test_input_the_suite_does_not_describe_is_refused(suite, change, param):
    with pytest.raises(BadOcraInput) as caught:
        ocra(suite, b"key", **{**GIVEN, **change})
    assert caught.value.param == param


def test_a_question_is_hexadecimal_and_filled_on_the_right():
    suite = "OCRA-1:HOTP-SHA256-8:QH08"
    assert ocra(suite, b"key", "abc") == ocra(suite, b"key", "ABC0") == ocra(suite, b"key", "abc00")
    assert ocra(suite, b"key", "abc") != ocra(suite, b"key", "0abc")


def test_no_truncation_gives_the_whole_mac():
    assert len(ocra("OCRA-1:HOTP-SHA512-0:QN08", b"key", "12345678")) == 128


def test_both_parties_ask_and_each_answer_is_good_one_way_only():
    suite = "OCRA-1:HOTP-SHA256-8:QA08"
    assert mutual(suite, "CLI22220", "SRV11110") == "CLI22220SRV11110"
    key = b"12345678901234567890123456789012"
    assert ocra(suite, key, mutual(suite, "SRV11111", "CLI22221")) == "90175646"
    assert ocra(suite, key, mutual(suite, "CLI22221", "SRV11111")) != "90175646"
    for bad in ("", "SRV111111", "SRV 1111"):
        with pytest.raises(BadOcraInput):
            mutual(suite, "CLI22220", bad)


def test_comparing_takes_any_text():
    assert same("123456", "123456")
    assert not any(same(text, "123456") for text in ("", "12345", "1234567", "１２３４５６", "\ud800"))
