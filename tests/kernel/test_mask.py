"""Masks: enough to recognise, too little to use."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feiqian.kernel.mask import is_secret, mask_name, mask_phone, mask_text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("张三丰", "张**"),
        ("张三", "张*"),
        ("欧阳娜娜", "欧***"),
        ("Alice Chen", "A**** C***"),
        ("Jean-Luc", "J*******"),
        ("阿凡提·买买提", "阿**·买**"),
        ("  Alice \t Chen ", "A**** C***"),
        ("A", "*"),
        ("张", "*"),
        ("J Chen", "* C***"),
        ("", ""),
        ("   ", ""),
        ("e\u0301lan", "e\u0301***"),
        ("👨\u200d👩\u200d👧Bob", "👨\u200d👩\u200d👧***"),
        ("👍🏽ok", "👍🏽**"),
        ("🇨🇳x", "🇨🇳*"),
        ("\ud800x", "**"),
        ("\u202eabc", "****"),
    ],
)
def test_names(name: str, shown: str) -> None:
    assert mask_name(name) == shown


@given(st.text())
def test_any_name_can_be_shown(name: str) -> None:
    shown = mask_name(name)
    shown.encode()
    assert "\n" not in shown
    if len(name.split()) == 1 and len(name) > 20 and name.isalpha() and name.isascii():
        assert name[1:] not in shown


@pytest.mark.parametrize(
    ("phone", "shown"),
    [
        ("+8613800138000", "+86 138****8000"),
        ("13800138000", "138****8000"),
        ("+86 138-0013-8000", "+86 138****8000"),
        ("+12025550123", "+1 20****0123"),
        ("+74951234567", "+7 49****4567"),
        ("+442071838750", "+44 20****8750"),
        ("+35312345678", "+353 ****5678"),
        ("12345", "****5"),
        ("+861234", "+86 ****"),
        ("", "***"),
        ("abc", "***"),
        ("1380013800x", "***"),
        ("１３８００１３８０００", "***"),
        ("1" * 16, "***"),
    ],
)
def test_phones(phone: str, shown: str) -> None:
    assert mask_phone(phone) == shown


SECRET_KEYS = """
    password Password new_password pin PIN secret clientSecret token access_token key api_key authorization
    Proxy-Authorization cookie Set-Cookie id_number idNumber card pan cvv name full_name phone phoneNumber
    mobile code payment_code sms_code card_number card_no account_no email holder 姓名 手机号 身份证号
"""
OPEN_KEYS = """
    event level payment amount_minor currency route status error_code status_code reason_code file_name
    table_name spin shipping company keyword decoder monkey card_id
"""


def test_keys_are_judged_by_their_words() -> None:
    assert [key for key in SECRET_KEYS.split() if not is_secret(key)] == []
    assert [key for key in OPEN_KEYS.split() if is_secret(key)] == []


SECRET = [
    ("4111111111111111", "paid with {} today"),
    ("4111 1111 1111 1111", "paid with {} today"),
    ("4111-1111-1111-1111", "20261102 {}"),
    ("4111%201111%201111%201111", "GET /x?n={}"),
    ("378282246310005", "{}"),
    ("3782 822463 10005", "amex {}."),
    ("6222021234567890128", "union {}"),
    ("4222222222222", "old {}"),
    ("４１１１１１１１１１１１１１１１", "wide {}"),
    ("13800138000", "call {}!"),
    ("138-0013-8000", "call {}"),
    ("138 0013 8000", "call {}"),
    ("+86 138 0013 8000", "call {}"),
    ("008613800138000", "call {}"),
    ("+442071838750", "call {}"),
    ("11010519491231002X", "id {}"),
    ("110105194912310021", "id {}"),
    ("110105 19491231 002X", "id {}"),
    ("8612345678901234567", "code {}"),
    ("8612 3456 7890 1234 567", "code {}"),
    ("134567890123456789", "wallet {}"),
    ("2812345678901234", "wallet {}"),
    ("sk_live_4eC39HqLyjWDarjtT1", "{} is wrong"),
    ("sk_test_x", "no such key: {}"),
    ("whsec_MfKQ9r8GKYqrTwj", "{}"),
    ("abc.def-ghi", "Authorization: Bearer {}"),
    ("abc.def", "BEARER {}"),
    ("eyJhbGciOi.eyJzdWIi.c2ln", "got {}"),
    ("hunter2", "password={}"),
    ("hunter2", "password: {}, next"),
    ("hunter2", "{{'password': '{}', 'x': 1}}"),
    ("hun'ter2", '{{"pin": "{}"}}'),
    ("hunter2", "POST token={}&x=1"),
    ("hunter 2 more", "secret={}"),
    ("hunter2", "postgresql://feiqian:{}@db.example/feiqian"),
    ("hunt@r2", "redis://:{}@cache"),
    ("session=abcdef; theme=dark", "Cookie: {}"),
    ("sess=abcdef", "(b'cookie', b'{}')"),
    ("482913", "your code: {}"),
    ("张三丰", "name='{}' age=3"),
    ("张三丰", "Key (party, name)=(1, {}) already exists."),
    ("Zhang San", "DETAIL:  Failing row contains (1, {}, x)."),
    ("Zhang San", "invalid input for query argument $2: '{}' (an integer is required)"),
    ("Zhang San", 'invalid input syntax for type uuid: "{}"'),
    ("alice@example.com", "mail to {} failed"),
    ("MIIEvQIBADAN", "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----"),
]


@pytest.mark.parametrize(("secret", "around"), SECRET)
def test_text_loses_its_secrets(secret: str, around: str) -> None:
    shown = mask_text(around.format(secret))
    assert secret not in shown
    assert "***" in shown
    digits = [part for part in secret.replace("%20", " ").replace("-", " ").split() if len(part) >= 6]
    assert not any(part in shown for part in digits)


@pytest.mark.parametrize(
    "text",
    [
        "payment captured",
        "pay_01932c5e8f4a7b3c9d2e1f0a5b6c7d8e",
        "for pay_11111111111111111111111111111111 and 01932c5e-8f4a-7b3c-9d2e-1f0a5b6c7d8e",
        "2026-11-02T08:00:00.123456Z",
        "from 2026-11-02 to 2026-11-03 08:00",
        "12.34 CNY of 9999999999999.99 CNY",
        "took 1730505600123 ms",
        "code: over_limit",
        "order 20261102120000",
        "https://pay.example/v1/payments?limit=20",
        "http.port: 8080, status=200",
    ],
)
def test_text_without_secrets_stays(text: str) -> None:
    assert mask_text(text) == text


def test_long_text_is_cut_and_no_secret_survives_the_cut() -> None:
    for cut in range(1, 20):
        shown = mask_text("x " * 50 + "a" * (200 - cut) + " 4111 1111 1111 1111", length_max=310 - cut)
        assert "4111" not in shown
    assert len(mask_text("word " * 100_000)) < 17_000


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "1",
        "1 ",
        "aa:",
        "pin=1 ",
        "pin='",
        "x@",
        "a.b@",
        "http://",
        "eyJa.",
        "pin:(",
        "4111 ",
        "%20",
        "Key (",
        "\\'",
    ],
)
def test_hostile_text_takes_no_time(unit: str) -> None:
    started = time.perf_counter()
    mask_text(unit * (16_000 // len(unit)))
    assert time.perf_counter() - started < 1
