"""Payment codes: made with no network, read within their minute, guessed by nobody in particular."""

from __future__ import annotations

import hashlib
import hmac
import struct
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feiqian.scenes.shop import payment_code
from feiqian.scenes.shop.emv import MalformedCode
from feiqian.scenes.shop.emv_consumer import digits_of, payment_code_form
from feiqian.scenes.shop.payment_code import NotOurCode, PaymentCode, make, matching_step, source_of, split

KEY = bytes(range(32))
ALIAS = "012345678"
NOON = datetime(2026, 11, 2, 4, 0, tzinfo=UTC)


def number_by_the_rfc(key: bytes, alias: str, step: int, counter: int) -> str:
    """The one-time number, byte by byte as RFC 4226 5.3 spells it."""
    digest = hmac.digest(key, alias.encode() + struct.pack(">QB", step, counter), hashlib.sha256)
    o = digest[-1] & 0xF
    cut = (digest[o] & 0x7F) << 24 | digest[o + 1] << 16 | digest[o + 2] << 8 | digest[o + 3]
    return str(cut % 10_000_000).zfill(7)


def test_a_code_is_prefix_alias_counter_and_number():
    digits = make(KEY, ALIAS, NOON, 3)
    assert len(digits) == 19
    assert digits[:12] == "86" + ALIAS + "3"
    assert digits[12:] == number_by_the_rfc(KEY, ALIAS, int(NOON.timestamp()) // 30, 3)
    assert split(digits) == PaymentCode(ALIAS, 3, digits[12:])


@given(
    st.binary(min_size=32, max_size=32),
    st.integers(0, 10**9 - 1),
    st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
    st.integers(0, 9),
)
def test_any_code_is_read_at_its_moment(key, alias, at, counter):
    digits = make(key, f"{alias:09d}", at, counter)
    step = payment_code.step_of(at)
    assert digits[12:] == number_by_the_rfc(key, f"{alias:09d}", step, counter)
    assert matching_step(key, split(digits), at) in (step, step + 1)
    assert digits_of(payment_code_form(digits, bytes(7), "Feiqian")) == digits


@pytest.mark.parametrize(
    ("made_second", "read_second", "passes"),
    [
        (0, 0, True),
        (0, 29, True),
        (0, 59, True),
        (0, 60, False),
        (29, 59, True),
        (29, 60, False),
        (30, 0, True),  # a device half a minute fast
        (59, 0, True),
        (60, 0, False),
        (60, 30, True),
    ],
)
def test_a_code_lives_about_a_minute(made_second, read_second, passes):
    made = NOON + timedelta(seconds=made_second)
    code = split(make(KEY, ALIAS, made, 0))
    step = matching_step(KEY, code, NOON + timedelta(seconds=read_second))
    assert step == (payment_code.step_of(made) if passes else None)


def test_the_moment_counts_and_not_the_zone():
    from zoneinfo import ZoneInfo

    assert make(KEY, ALIAS, NOON.astimezone(ZoneInfo("Asia/Shanghai")), 0) == make(KEY, ALIAS, NOON, 0)


def test_another_key_alias_counter_or_number_does_not_pass():
    code = split(make(KEY, ALIAS, NOON, 3))
    assert matching_step(KEY, code, NOON) is not None
    assert matching_step(bytes(32), code, NOON) is None
    assert matching_step(KEY, PaymentCode("912345678", 3, code.number), NOON) is None
    assert matching_step(KEY, PaymentCode(ALIAS, 4, code.number), NOON) is None
    other = f"{(int(code.number) + 1) % 10**7:07d}"
    assert matching_step(KEY, PaymentCode(ALIAS, 3, other), NOON) is None


def test_ten_codes_of_one_step_differ():
    assert len({make(KEY, ALIAS, NOON, counter)[12:] for counter in range(10)}) == 10


def test_every_step_is_tried_whether_or_not_one_matched(monkeypatch):
    tried = []
    plain = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: tried.append(a) or plain(a, b))
    for seconds in (-30, 0, 30, 300):
        matching_step(KEY, split(make(KEY, ALIAS, NOON + timedelta(seconds=seconds), 0)), NOON)
    assert len(tried) == 4 * 3


def test_of_two_matching_steps_the_later_is_spent(monkeypatch):
    monkeypatch.setattr(payment_code, "_number", lambda key, alias, step, counter: "0000000")
    assert matching_step(KEY, PaymentCode(ALIAS, 0, "0000000"), NOON) == payment_code.step_of(NOON) + 1


def test_the_number_is_not_shown_in_logs():
    code = split(make(KEY, ALIAS, NOON, 3))
    assert code.number not in repr(code)


@pytest.mark.parametrize(
    ("digits", "refusal", "source"),
    [
        ("86" + "1" * 16, MalformedCode, None),
        ("86" + "1" * 18, MalformedCode, None),
        ("", MalformedCode, None),
        ("86" + "1" * 16 + "x", MalformedCode, None),
        ("86" + "1" * 16 + "١", MalformedCode, None),
        ("86" + "1" * 17 + "\n", MalformedCode, None),
        ("87" + "1" * 17, NotOurCode, None),
        ("8", NotOurCode, None),
        ("13" + "1" * 16, NotOurCode, "wechat"),
        ("28" + "1" * 16, NotOurCode, "alipay"),
        ("62" + "1" * 17, NotOurCode, "unionpay"),
        ("62" + "1" * 16, NotOurCode, None),
    ],
)
def test_a_code_that_is_not_ours_or_not_whole_is_refused(digits, refusal, source):
    with pytest.raises(refusal) as caught:
        split(digits)
    assert caught.value.facts.get("source") == source
    assert caught.value.code == ("code_not_ours" if refusal is NotOurCode else "code_malformed")


@pytest.mark.parametrize(
    ("first", "length", "source"),
    [
        ("86", 19, "own"),
        ("86", 18, None),
        ("86", 20, None),
        ("09", 18, None),
        ("10", 18, "wechat"),
        ("15", 18, "wechat"),
        ("16", 18, None),
        ("13", 17, None),
        ("13", 19, None),
        ("24", 18, None),
        ("25", 16, "alipay"),
        ("30", 24, "alipay"),
        ("28", 15, None),
        ("28", 25, None),
        ("31", 18, None),
        ("62", 19, "unionpay"),
        ("62", 18, None),
        ("62", 20, None),
    ],
)
def test_the_scheme_is_told_by_beginning_and_length(first, length, source):
    assert source_of(first + "0" * (length - 2)) == source


@pytest.mark.parametrize("text", ["", "8", "x" * 19, "٨٦" + "0" * 17, "86" + "0" * 16 + "x"])
def test_what_is_no_code_has_no_source(text):
    assert source_of(text) is None


def test_another_house_has_another_prefix():
    digits = make(KEY, ALIAS, NOON, 0, prefix="91")
    assert split(digits, prefix="91").alias == ALIAS
    assert source_of(digits, prefix="91") == "own"
    assert source_of(digits) is None
    with pytest.raises(NotOurCode):
        split(digits)


@pytest.mark.parametrize("prefix", ["10", "15", "25", "30", "62", "8", "860", "ab", "٨٦", ""])
def test_a_prefix_of_another_scheme_or_none_is_a_mistake(prefix):
    with pytest.raises(ValueError, match="prefix"):
        make(KEY, ALIAS, NOON, 0, prefix=prefix)
    with pytest.raises(ValueError, match="prefix"):
        split("1" * 19, prefix=prefix)


@pytest.mark.parametrize(
    ("key", "alias", "counter"),
    [
        (KEY[:31], ALIAS, 0),
        (KEY + b"x", ALIAS, 0),
        (KEY, "12345678", 0),
        (KEY, "12345678x", 0),
        (KEY, ALIAS, 10),
        (KEY, ALIAS, -1),
    ],
)
def test_a_device_set_up_wrongly_is_a_mistake(key, alias, counter):
    with pytest.raises(ValueError, match="must be"):
        make(key, alias, NOON, counter)


@given(st.text(st.sampled_from("0123456789x86"), max_size=25))
def test_any_text_is_split_or_refused(text):
    try:
        code = split(text)
    except (MalformedCode, NotOurCode):
        return
    assert f"86{code.alias}{code.counter}{code.number}" == text
