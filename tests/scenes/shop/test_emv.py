"""EMVCo QR codes: every published vector, what the reader refuses and by which tag, and no surprises."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feiqian.scenes.shop import emv_consumer, emv_merchant
from feiqian.scenes.shop.emv import MalformedCode
from feiqian.scenes.shop.emv_consumer import Tlv
from feiqian.scenes.shop.emv_merchant import DataObject, MerchantCode, template

VECTORS = Path(__file__).parents[2] / "vectors" / "emv-qr"
MERCHANT = json.loads((VECTORS / "merchant_presented.json").read_text("utf-8"))["cases"]
CONSUMER = json.loads((VECTORS / "consumer_presented.json").read_text("utf-8"))["cases"]

WHOLE = [case["payload"] for case in MERCHANT if case["crc_ok"]]
BROKEN = [case["payload"] for case in MERCHANT if not case["crc_ok"]]

HEAD = "000201"
ACCOUNT = "26140010cn.example"
TAIL = "5204541153031565802CN5907Noodles6005Xi'an"
PLAIN = HEAD + ACCOUNT + TAIL


def sealed(body: str) -> str:
    return body + "6304" + emv_merchant.crc(body + "6304")


def tag_refused(payload: str) -> str:
    with pytest.raises(MalformedCode) as caught:
        emv_merchant.read(payload)
    assert caught.value.code == "code_malformed"
    assert caught.value.facts["reason"]
    return caught.value.facts["tag"]


# Merchant-presented: the vectors


@pytest.mark.parametrize("payload", WHOLE)
def test_a_whole_payload_reads_and_writes_back_character_for_character(payload):
    assert emv_merchant.write(emv_merchant.read(payload)) == payload


@pytest.mark.parametrize(
    ("payload", "whole", "level"),
    [
        (BROKEN[0], "63", "refused at 63"),  # ends in 6304, the checksum itself cut off
        (BROKEN[1], "63", "00 01 02 03"),  # a language template alone
        (BROKEN[2], "63", "00"),
        (BROKEN[3], "53", "refused at 53"),  # the currency stands twice
        (BROKEN[4], "63", "refused at 63"),  # ends in 63
        (BROKEN[5], "63", "00 01 02 52 53 54 55 56 58 59 60 61 62 64 65 80 63"),  # the checksum is XXXX
    ],
)
def test_a_fragment_is_refused_as_a_whole_and_read_as_far_as_it_is_well_formed(payload, whole, level):
    assert tag_refused(payload) == whole
    assert level_of(payload) == level


def level_of(text: str) -> str:
    try:
        return " ".join(each.tag for each in emv_merchant.read_objects(text))
    except MalformedCode as refusal:
        return f"refused at {refusal.facts['tag']}"


def test_every_vector_is_run():
    assert len(WHOLE) + len(BROKEN) == len(MERCHANT) == 11
    assert len(BROKEN) == 6
    assert len(CONSUMER) == 2


def test_the_transport_code_says_what_its_makers_put_in():
    code = emv_merchant.read(WHOLE[-1])
    assert (code.name, code.city, code.country, code.mcc) == ("BEST TRANSPORT", "BEIJING", "CN", "4111")
    assert (code.currency, code.amount_text, code.amount_minor(2)) == ("156", "23.72", 2372)
    assert (code.is_dynamic, code.tip, code.fee_text) == (True, "asked", None)
    assert [(each.tag, each.guid) for each in code.accounts] == [
        ("29", "D15600000000"),
        ("31", "D15600000001"),
    ]
    assert code.account("d15600000000").value("05") == "A93FO3230Q"
    assert code.account("D15600000001").value("03") == "12345678"
    assert code.account("elsewhere") is None
    assert (code.language, code.local_name, code.local_city) == ("ZH", "最佳运输", "北京")
    assert (code.store_label, code.terminal_label, code.value("62", "06")) == ("1234", "A6008667", "***")
    assert (code.reference_label, code.bill_number, code.value("62", "09")) == (None, None, "ME")
    assert code.value("91", "00") == "A011223344998877"
    assert code.networks == {}


def test_the_fullest_code_says_what_its_makers_put_in():
    code = emv_merchant.read(WHOLE[0])
    assert code.networks == {"02": "0004hoge0104abcd"}
    assert (code.is_dynamic, code.postal, code.accounts) == (False, "1234567", ())
    labels = (code.bill_number, code.store_label, code.reference_label, code.terminal_label)
    assert labels == ("12345", "09876", "abcde", "klmno")
    assert DataObject("50", code.value("62", "50")).parts() == (DataObject("00", "1"), DataObject("01", "i"))
    assert code.value("65") == "00"


def test_a_pix_code_is_read():
    code = emv_merchant.read(WHOLE[1])
    account = code.account("br.gov.bcb.pix")
    assert (account.guid, account.value("01")) == ("BR.GOV.BCB.PIX", "60701190000104")
    assert (account.value("02"), account.value("09")) == ("Mensagem opcional", None)
    assert (code.currency, code.amount_minor(2), code.is_dynamic) == ("986", 122, None)
    assert code.reference_label == "1t9OGEuUWlqWQiY0CU2YmA"


# Merchant-presented: where reading is wider than writing


def test_codes_in_use_are_read_where_their_meaning_is_not_in_doubt():
    fullest, _, long_city, zero, _ = (emv_merchant.read(payload) for payload in WHOLE)
    assert (fullest.tip, fullest.fee_text) == ("asked", None)
    assert (fullest.value("56"), fullest.value("57")) == ("500", "5")
    assert fullest.value("62", "09") == "tuvxy"
    assert long_city.city == "Sao Joao del Rei"
    assert (zero.amount_text, zero.amount_minor(2)) == ("0", None)


@pytest.mark.parametrize(
    ("change", "tag"),
    [
        ({"city": "Sao Joao del Rei"}, "60"),
        ({"amount": "0"}, "54"),
        ({"amount": "0.00"}, "54"),
        ({"additional": {"09": "tuvxy"}}, "62.09"),
        ({"additional": {"09": "AA"}}, "62.09"),
        ({"local": {"00": "zh", "01": "面馆", "02": "市" * 16}}, "64.02"),
        ({"more": [DataObject("55", "01"), DataObject("56", "500")]}, "56"),
        ({"more": [DataObject("63", "ABCD")]}, "63"),
        ({"more": [DataObject("00", "01")]}, "00"),
        ({"more": [DataObject("7", "x")]}, "7"),
        ({"more": [DataObject("70", "x" * 100)]}, "70"),
        ({"accounts": []}, "02-51"),
        ({"name": ""}, "59"),
        ({"name": "a" * 26}, "59"),
        ({"country": "cn"}, "58"),
    ],
)
def test_what_we_write_ourselves_is_held_to_the_letter(change, tag):
    parts = {
        "accounts": [template("26", {"00": "cn.example", "01": "S1"})],
        "name": "Noodles",
        "city": "Xi'an",
        "country": "CN",
        "currency": "156",
        "mcc": "5411",
    }
    assert emv_merchant.read(emv_merchant.write(emv_merchant.compose(**parts))).name == "Noodles"
    with pytest.raises(MalformedCode) as caught:
        emv_merchant.compose(**parts | change)
    assert caught.value.facts["tag"] == tag


def test_a_composed_code_reads_back():
    code = emv_merchant.compose(
        accounts=[DataObject("04", "5555"), template("26", {"00": "cn.example", "01": "S1"})],
        name="Noodles",
        city="Xi'an",
        country="CN",
        currency="156",
        mcc="5411",
        amount=emv_merchant.to_text(1250, 2),
        dynamic=True,
        postal="710000",
        additional={"05": "INV1", "09": "EM"},
        local={"00": "zh", "01": "面馆"},
        more=[DataObject("55", "02"), DataObject("56", "1.00"), template("80", {"00": "cn.example"})],
    )
    payload = emv_merchant.write(code)
    assert payload[:-4] == (
        "000201010212040455552620" + "0010cn.example0102S1" + "52045411530315654051"
        "2.505802CN5907Noodles6005Xi'an6106710000" + "62140504INV10902EM" + "64120002zh0102面馆"
        "55020256041.0080140010cn.example6304"
    )
    assert emv_merchant.read(payload) == code
    assert (code.tip, code.fee_text, code.networks) == ("fixed", "1.00", {"04": "5555"})


# Merchant-presented: what is refused


def without(tag: str) -> str:
    return emv_merchant.write_objects(each for each in emv_merchant.read_objects(PLAIN) if each.tag != tag)


def with_value(tag: str, value: str) -> str:
    rows = (DataObject(tag, value) if each.tag == tag else each for each in emv_merchant.read_objects(PLAIN))
    return emv_merchant.write_objects(rows)


MALFORMED = [
    # the row of objects
    (PLAIN + "7A02xx", "7A"),
    (PLAIN + "٧٠02xx", "\\u0667\\u0660"),
    (PLAIN + "70A2xx", "70"),
    (PLAIN + "70²2xx", "70"),
    (PLAIN + "70+2xx", "70"),
    (PLAIN + "7000", "70"),
    (PLAIN + "7001\n", "70"),
    (PLAIN + "7001\x00", "70"),
    (PLAIN + "7002xx7002xx", "70"),
    (PLAIN + "5907Noodles", "59"),
    (PLAIN + "000201", "00"),
    # mandatory objects and their order
    *[(without(tag), tag) for tag in ("00", "52", "53", "58", "59", "60")],
    (without("26"), "02-51"),
    ("010211" + PLAIN, "00"),
    ("", "00"),
    # values
    (with_value("00", "02"), "00"),
    (with_value("00", "1"), "00"),
    (HEAD + "010213" + ACCOUNT + TAIL, "01"),
    (HEAD + "01011" + ACCOUNT + TAIL, "01"),
    (with_value("52", "541"), "52"),
    (with_value("52", "54110"), "52"),
    (with_value("52", "541A"), "52"),
    (with_value("53", "CNY"), "53"),
    (with_value("53", "15"), "53"),
    (with_value("58", "CHN"), "58"),
    (with_value("58", "cn"), "58"),
    (with_value("58", "86"), "58"),
    (with_value("59", "a" * 26), "59"),
    (with_value("60", "a" * 26), "60"),
    (PLAIN + "6111" + "1" * 11, "61"),
    *[
        (PLAIN + f"54{len(text):02d}{text}", "54")
        for text in (".5", ".", "1.2.3", "1,20", "-1", "+1", " 1", "1 ", "1e3", "12345678901.99", "٣", "¥5")
    ],
    # tips
    (PLAIN + "550204", "55"),
    (PLAIN + "55011", "55"),
    (PLAIN + "550202", "56"),
    (PLAIN + "550203", "57"),
    (PLAIN + "5603500", "56"),
    (PLAIN + "57015", "57"),
    (PLAIN + "550202560350057015", "57"),
    (PLAIN + "55020357015" + "5603500", "56"),
    (PLAIN + "5502025601.", "56"),
    (PLAIN + "55020256010", "56"),
    (PLAIN + "5502035703100", "57"),
    (PLAIN + "550203570500.00", "57"),
    (PLAIN + "550203570599,99", "57"),
    # templates
    (with_value("26", "hello"), "26.he"),
    (with_value("26", "0010cn.exampl"), "26.00"),
    (with_value("26", "0102S1"), "26.00"),
    (with_value("26", "0033" + "a" * 33), "26.00"),
    (with_value("26", "0001a0001b"), "26.00"),
    (PLAIN + "27040201", "27.02"),
    (PLAIN + "6205" + "0100x", "62.01"),
    (PLAIN + "6230" + "0526" + "a" * 26, "62.05"),
    (PLAIN + "62060503ab", "62.05"),
    (PLAIN + "6212" + "0502ab0502ab", "62.05"),
    (PLAIN + "6206" + "5002ab", "62.50.ab"),
    (PLAIN + "6210" + "50060102ab", "62.50.00"),
    (PLAIN + "6406" + "0002zh", "64.01"),
    (PLAIN + "6406" + "0102ab", "64.00"),
    (PLAIN + "6412" + "0003zho0101a", "64.00"),
    (PLAIN + "6436" + "0002zh0126" + "面" * 26, "64.01"),
    (PLAIN + "8003abc", "80.ab"),
    (PLAIN + "99060102ab", "99.00"),
]


@pytest.mark.parametrize(("body", "tag"), MALFORMED)
def test_a_malformed_code_is_refused_by_its_tag(body, tag):
    assert tag_refused(sealed(body)) == tag


@pytest.mark.parametrize(
    "payload",
    [
        PLAIN,
        PLAIN + "6304",
        PLAIN + "6304ABC",
        PLAIN + "6304ABCD",
        PLAIN + "6303ABC",
        PLAIN + "6305ABCDE",
        sealed(PLAIN)[:-4] + sealed(PLAIN)[-4:].lower(),
        sealed(PLAIN) + "7001x",
        sealed(sealed(PLAIN)),
    ],
)
def test_a_checksum_missing_wrong_or_not_last_is_refused(payload):
    assert emv_merchant.write(emv_merchant.read(sealed(PLAIN))) == sealed(PLAIN)
    assert sealed(PLAIN)[-4:] != sealed(PLAIN)[-4:].lower()
    assert tag_refused(payload) == "63"


@pytest.mark.parametrize(
    "body",
    [
        PLAIN,
        HEAD + TAIL + ACCOUNT,  # the order is free
        HEAD + "010211" + ACCOUNT + TAIL,
        HEAD + ACCOUNT + TAIL + "010212",
        HEAD + "0204abcd" + TAIL,
        HEAD + ACCOUNT + "27200010cn.example0102ab" + "51060002ab" + TAIL,
        PLAIN + "540213",
        PLAIN + "540313.",
        PLAIN + "54139999999999.99",
        PLAIN + "5502025603500",
        PLAIN + "550203570500.01",
        PLAIN + "550203570599.99",
        PLAIN + "6505xxxxx7902{}",  # reserved, kept as they are
        PLAIN + "62" + "14" + "1003abc4903def",
        PLAIN + "6215" + "50110002cn0101a",
    ],
)
def test_what_the_standard_allows_is_read_and_written_back(body):
    assert emv_merchant.write(emv_merchant.read(sealed(body))) == sealed(body)


def test_the_checksum_is_that_of_the_standard():
    assert emv_merchant.crc("123456789") == "29B1"
    assert emv_merchant.crc("") == "FFFF"


# Merchant-presented: amounts


@pytest.mark.parametrize(
    ("text", "exponent", "minor"),
    [
        ("23.72", 2, 2372),
        ("23.7", 2, 2370),
        ("98.", 2, 9800),
        ("98", 0, 98),
        ("98.00", 0, 98),
        ("0.01", 2, 1),
        ("0", 2, 0),
        ("007", 2, 700),
        ("1.2345", 4, 12345),
        ("9999999999.99", 2, 999_999_999_999),
    ],
)
def test_an_amount_becomes_minor_units(text, exponent, minor):
    assert emv_merchant.to_minor(text, exponent) == minor


@pytest.mark.parametrize(("text", "exponent"), [("1.005", 2), ("1.5", 0), ("", 2), (".5", 2), ("-1", 2)])
def test_an_amount_is_never_rounded(text, exponent):
    with pytest.raises(MalformedCode) as caught:
        emv_merchant.to_minor(text, exponent)
    assert caught.value.facts["tag"] == "54"


@pytest.mark.parametrize(
    ("minor", "exponent", "text"),
    [(2372, 2, "23.72"), (5, 2, "0.05"), (0, 2, "0.00"), (500, 0, "500"), (1, 3, "0.001")],
)
def test_minor_units_become_an_amount(minor, exponent, text):
    assert emv_merchant.to_text(minor, exponent) == text


@pytest.mark.parametrize(("minor", "exponent"), [(-1, 2), (-500, 2), (10**12, 2), (10**13, 0)])
def test_an_amount_that_does_not_fit_is_refused(minor, exponent):
    with pytest.raises(MalformedCode):
        emv_merchant.to_text(minor, exponent)


@given(st.integers(0, 10**9), st.integers(0, 3))
def test_minor_units_survive_the_way_there_and_back(minor, exponent):
    assert emv_merchant.to_minor(emv_merchant.to_text(minor, exponent), exponent) == minor


# Merchant-presented: any code, any damage

texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)
tags = st.integers(1, 99).map(lambda number: f"{number:02d}")


def templates(tag: str) -> st.SearchStrategy[DataObject]:
    parts = st.dictionaries(tags, texts, max_size=3)
    guid = st.text("abc.123", min_size=1, max_size=18)
    return st.builds(lambda guid, parts: template(tag, {"00": guid, **parts}), guid, parts)


@st.composite
def codes(draw):
    rows = {"00": DataObject("00", "01")}
    fixed = {"52": "5411", "53": "156", "58": "CN", "59": draw(texts), "60": draw(texts)}
    account = draw(st.sampled_from(["02", "25", "26", "51"]))
    optional = draw(
        st.sets(st.sampled_from(["03", "27", "40", "54", "61", "62", "64", "65", "79", "80", "99"]))
    )
    for tag in {account, *optional}:
        if "26" <= tag <= "51" or tag >= "80":
            rows[tag] = draw(templates(tag))
        elif tag == "62":
            labels = st.dictionaries(st.sampled_from(["01", "05", "08", "49"]), texts, min_size=1, max_size=3)
            rows[tag] = template(tag, draw(labels))
        elif tag == "64":
            rows[tag] = template(tag, {"00": "zh", "01": draw(texts)})
        else:
            value = {"54": "1.50", "61": "710000"}.get(tag)
            rows[tag] = DataObject(tag, value or draw(texts))
    for tag, value in fixed.items():
        rows[tag] = DataObject(tag, value)
    head, *rest = rows.values()
    return MerchantCode((head, *draw(st.permutations(rest))))


@given(codes())
def test_any_code_survives_writing_and_reading(code):
    payload = emv_merchant.write(code)
    assert emv_merchant.read(payload) == code
    assert emv_merchant.write(emv_merchant.read(payload)) == payload


@given(st.sampled_from(WHOLE), st.data())
def test_a_damaged_code_is_refused(payload, data):
    at = data.draw(st.integers(0, len(payload) - 1))
    other = data.draw(st.characters().filter(lambda each: each != payload[at]))
    for damaged in (
        payload[:at] + other + payload[at + 1 :],
        payload[:at],
        payload[:at] + other + payload[at:],
    ):
        try:
            read = emv_merchant.read(damaged)
        except MalformedCode:
            continue
        # A sixteen-bit checksum misses one damage in 65,536 that is wider than itself.
        assert emv_merchant.write(read) == damaged
        assert damaged != payload


@pytest.mark.parametrize("payload", WHOLE)
def test_no_code_cut_short_or_with_one_letter_changed_is_read(payload):
    for at in range(len(payload)):
        assert tag_refused(payload[:at])
        swapped = "0" if payload[at] != "0" else "1"
        assert tag_refused(payload[:at] + swapped + payload[at + 1 :])


@given(st.sampled_from(WHOLE), st.data())
def test_a_damaged_code_with_a_good_checksum_is_read_exactly_or_refused(payload, data):
    body = payload[:-8]
    at = data.draw(st.integers(0, len(body) - 1))
    other = data.draw(st.one_of(st.sampled_from("0123456789"), st.characters(exclude_categories=["Cs"])))
    for damaged in (body[:at] + other + body[at + 1 :], body[:at], body[:at] + other + body[at:]):
        try:
            read = emv_merchant.read(sealed(damaged))
        except MalformedCode:
            continue
        assert emv_merchant.write(read) == sealed(damaged)
        read_all(read)


def read_all(code: MerchantCode | emv_consumer.Template) -> None:
    """Touch every named field: none may fail once the code is read."""
    for name in dir(type(code)):
        if isinstance(getattr(type(code), name), property):
            getattr(code, name)


@given(st.text())
def test_any_text_is_read_or_refused(text):
    for read in (emv_merchant.read, emv_merchant.read_objects, emv_consumer.read):
        try:
            read(text)
        except MalformedCode as refusal:
            refusal.message("zh").encode()


# Consumer-presented: the vectors


@pytest.mark.parametrize("case", CONSUMER, ids=[0, 1])
def test_a_consumer_payload_reads_and_writes_back_byte_for_byte(case):
    text = emv_consumer.write(emv_consumer.read(case["base64"]))
    assert text == case["base64"]
    assert base64.b64decode(text).hex().upper() == case["hex"]


def test_two_applications_and_their_common_data():
    code = emv_consumer.read(CONSUMER[0]["base64"])
    assert [each.tag for each in code.objects] == ["85", "61", "61", "62"]
    assert [(each.aid.hex().upper(), each.label) for each in code.applications] == [
        ("A0000000555555", "Product1"),
        ("A0000000666666", "Product2"),
    ]
    common = code.common
    assert [each.tag for each in common.objects] == ["5A", "5F20", "5F2D", "64"]
    assert (common.pan, common.cardholder) == ("1234567890123458", "CARDHOLDER/EMV")
    assert common.languages == ("ru", "es", "de", "en")
    assert {each.tag: each.value.hex().upper() for each in common.transparent} == {
        "9F10": "06010A03000000",
        "9F26": "584FD385FA234BCC",
        "9F36": "0001",
        "9F37": "6D58EF13",
    }
    assert (common.aid, common.label, common.track2) == (None, None, None)


def test_an_application_with_track_two():
    code = emv_consumer.read(CONSUMER[1]["base64"])
    (application,) = code.applications
    assert application.aid == bytes.fromhex("A0000000555555")
    assert application.track2 == "1234567890123458D191220112345"
    assert (application.pan, code.common) == (None, None)


def test_a_consumer_code_with_everything_reads_back():
    transparent = emv_consumer.write_objects([Tlv("9F01", b"x"), Tlv("C1", b"")])
    application = [
        Tlv("4F", bytes.fromhex("A000000333010101")),
        Tlv("50", b"UnionPay"),
        Tlv("5A", bytes.fromhex("6212345678901234567F")),
        Tlv("5F50", b"https://bank.example"),
        Tlv("9F08", bytes.fromhex("0030")),
        Tlv("9F19", bytes.fromhex("012345678901")),
        Tlv("9F24", b"Q" * 29),
        Tlv("9F25", bytes.fromhex("4567")),
        Tlv("DF8101", bytes(130)),  # unknown, a three-byte tag and a two-byte length
        Tlv("63", transparent),
    ]
    other = [Tlv("4F", bytes(5), length_bytes=3)]
    common = [Tlv("5F20", b"LI/LEI"), Tlv("64", transparent)]
    code = emv_consumer.compose([application, other], common, [Tlv("C7", b"kept")])
    text = emv_consumer.write(code)
    assert emv_consumer.read(text) == code
    first, second = code.applications
    assert (first.label, first.pan, first.issuer_url) == (
        "UnionPay",
        "6212345678901234567",
        "https://bank.example",
    )
    assert (first.version, first.token_requestor, first.last_four) == (b"\x00\x30", "012345678901", "4567")
    assert (first.account_reference, first.value("DF8101")) == ("Q" * 29, bytes(130))
    assert first.transparent == (Tlv("9F01", b"x"), Tlv("C1", b""))
    assert second.objects == tuple(other)
    assert (code.common.cardholder, code.common.transparent) == ("LI/LEI", first.transparent)
    assert code.objects[-1] == Tlv("C7", b"kept")


# Consumer-presented: what is refused

FORMAT = "85054350563031"
AID = "4F07A0000000555555"


def consumer_refused(text: str) -> str:
    with pytest.raises(MalformedCode) as caught:
        emv_consumer.read(text)
    assert caught.value.facts["reason"]
    return caught.value.facts["tag"]


def in_base64(hexed: str) -> str:
    return base64.b64encode(bytes.fromhex(hexed)).decode()


@pytest.mark.parametrize(
    ("hexed", "tag"),
    [
        ("", "85"),
        ("6109" + AID, "85"),
        ("6109" + AID + FORMAT, "85"),
        ("85054350563032" + "6109" + AID, "85"),
        ("850443505630" + "6109" + AID, "85"),
        (FORMAT, "61"),
        (FORMAT + FORMAT + "6109" + AID, "85"),
        (FORMAT + "6109" + AID + "6202C1006202C100", "62"),
        (FORMAT + "610A" + AID, "61"),
        (FORMAT + "61", "61"),
        (FORMAT + "6181", "61"),
        (FORMAT + "618200", "61"),
        (FORMAT + "6180" + AID + "0000", "61"),
        (FORMAT + "61840000000009" + AID, "61"),
        (FORMAT + "6108" + AID[:-2], "61.4F"),
        (FORMAT + "6109" + AID + "00", "00"),
        (FORMAT + "6109" + AID + "90", "90"),
        (FORMAT + "6109" + AID + "9F", "9F"),
        (FORMAT + "6109" + AID + "9F8001", "9F8001"),
        (FORMAT + "6109" + AID + "DF8181818101", "DF81818181"),
        (FORMAT + "6100", "61.4F"),
        (FORMAT + "610350016D", "61.4F"),
        (FORMAT + "61064F04A0000000", "61.4F"),
        (FORMAT + "61134F11" + "A0" * 17, "61.4F"),
        (FORMAT + "6112" + AID + AID, "61.4F"),
        (FORMAT + "610A" + AID + "00", "61.00"),
        (FORMAT + "610C" + AID + "5A012A", "61.5A"),
        (FORMAT + "610C" + AID + "5A01FF", "61.5A"),
        (FORMAT + "610D" + AID + "5A02F112", "61.5A"),
        (FORMAT + "6115" + AID + "5A0A" + "11" * 10, "61.5A"),
        (FORMAT + "6116" + AID + "5A0B" + "11" * 9 + "1FFF", "61.5A"),
        (FORMAT + "610D" + AID + "63029F01", "61.63.9F01"),
        (FORMAT + "6109" + AID + "62035A01", "62"),
        (FORMAT + "6109" + AID + "62025A01", "62.5A"),
        (FORMAT + "6109" + AID + "6203" + "64029F", "62.64"),
        (FORMAT + "6109" + AID + "6404" + "C1029F", "64"),
        (FORMAT + "6109" + AID + "6402" + "C102", "64.C1"),
    ],
)
def test_a_malformed_consumer_code_is_refused_by_its_tag(hexed, tag):
    assert emv_consumer.read(in_base64(FORMAT + "6109" + AID)).applications[0].aid
    assert consumer_refused(in_base64(hexed)) == tag


GOOD = in_base64(FORMAT + "6109" + AID)


@pytest.mark.parametrize(
    "text",
    [
        GOOD[:-1],
        GOOD + "=",
        GOOD + "\n",
        " " + GOOD,
        GOOD[:4] + "-" + GOOD[5:],
        GOOD[:4] + "é" + GOOD[5:],
        GOOD[:4] + "\ud800" + GOOD[5:],
        "hQVDUFYwMWEK" + "TwegAAAAVVVVwR==",  # unused bits set
        in_base64(FORMAT + "6109" + AID + "C18201" + "70" + "00" * 0x170),
    ],
)
def test_a_text_that_is_not_base64_or_too_long_is_refused(text):
    assert consumer_refused(text) == "payload"


def test_the_longest_text_is_read_and_one_byte_more_is_not_written():
    fits = emv_consumer.compose([[Tlv("4F", bytes(5))]], more=[Tlv("C1", bytes(384 - 7 - 9 - 4))])
    assert len(emv_consumer.write(fits)) == 512
    assert emv_consumer.read(emv_consumer.write(fits)) == fits
    more = emv_consumer.compose([[Tlv("4F", bytes(5))]], more=[Tlv("C1", bytes(384 - 7 - 9 - 3))])
    with pytest.raises(MalformedCode) as caught:
        emv_consumer.write(more)
    assert caught.value.facts["tag"] == "payload"


@pytest.mark.parametrize("tag", ["", "4", "4f", "4F50", "9F", "00", "C1\n"])
def test_a_tag_that_is_none_is_not_written(tag):
    with pytest.raises(MalformedCode):
        emv_consumer.write_objects([Tlv(tag, b"")])


# Consumer-presented: any code, any damage

tlv_tags = st.sampled_from(
    ["50", "57", "5F20", "5F2D", "9F08", "9F10", "9F26", "C1", "DF01", "DF8101", "BF8A7F"]
)
tlvs = st.builds(Tlv, tlv_tags, st.binary(max_size=20), st.sampled_from([0, 2, 3, 4]))
rows = st.lists(tlvs, max_size=3, unique_by=lambda each: each.tag)


@given(
    st.lists(st.tuples(st.binary(min_size=5, max_size=16), rows), min_size=1, max_size=2),
    rows,
    st.sampled_from(["C2", "9F70", "DF9F01"]),
    st.binary(max_size=10),
)
def test_any_consumer_code_survives_writing_and_reading(applications, common, tag, value):
    offered = [[Tlv("4F", aid), *rest] for aid, rest in applications]
    code = emv_consumer.compose(offered, common, [Tlv(tag, value)])
    text = emv_consumer.write(code)
    assert emv_consumer.read(text) == code
    assert [list(each.objects) for each in code.applications] == offered
    assert emv_consumer.write(emv_consumer.read(text)) == text


@given(st.sampled_from([case["base64"] for case in CONSUMER]), st.data())
def test_a_damaged_consumer_code_is_read_exactly_or_refused(text, data):
    at = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters())
    raw = base64.b64decode(text)
    where = data.draw(st.integers(0, len(raw) - 1))
    byte = data.draw(st.binary(min_size=1, max_size=1))
    texts = [text[:at] + letter + text[at + 1 :], text[:at], text[:at] + letter + text[at:]]
    raws = [raw[:where] + byte + raw[where + 1 :], raw[:where], raw[:where] + byte + raw[where:]]
    for damaged in texts + [base64.b64encode(each).decode() for each in raws]:
        try:
            read = emv_consumer.read(damaged)
        except MalformedCode:
            continue
        assert emv_consumer.write(read) == damaged
        for each in (*read.applications, read.common):
            if each is not None:
                read_all(each)


@given(st.binary(max_size=384))
def test_any_bytes_are_read_exactly_or_refused(data):
    for body in (data, bytes.fromhex(FORMAT + "6109" + AID) + data[:360]):
        try:
            objects = emv_consumer.read_objects(body)
        except MalformedCode:
            continue
        assert emv_consumer.write_objects(objects) == body


# The payment code in this form


def test_a_payment_code_travels_in_a_consumer_code():
    aid = bytes.fromhex("F0000000018600")
    text = emv_consumer.payment_code_form("8612345678901234567", aid, "Feiqian")
    assert emv_consumer.digits_of(text) == "8612345678901234567"
    (application,) = emv_consumer.read(text).applications
    assert (application.aid, application.label) == (aid, "Feiqian")
    assert application.value("5A").hex() == "8612345678901234567f"


@pytest.mark.parametrize(
    ("digits", "aid", "label", "tag"),
    [
        ("861234567890123456", bytes(7), "ok", "61.5A"),
        ("86123456789012345678", bytes(7), "ok", "61.5A"),
        ("٨612345678901234567", bytes(7), "ok", "61.5A"),
        ("8612345678901234567", bytes(4), "ok", "61.4F"),
        ("8612345678901234567", bytes(17), "ok", "61.4F"),
        ("8612345678901234567", bytes(7), "", "61.50"),
        ("8612345678901234567", bytes(7), "飞钱", "61.50"),
        ("8612345678901234567", bytes(7), "x" * 17, "61.50"),
    ],
)
def test_a_payment_code_form_with_a_bad_part_is_refused(digits, aid, label, tag):
    with pytest.raises(MalformedCode) as caught:
        emv_consumer.payment_code_form(digits, aid, label)
    assert caught.value.facts["tag"] == tag


@pytest.mark.parametrize("case", CONSUMER, ids=[0, 1])
def test_another_schemes_code_holds_no_payment_code_of_19_digits(case):
    with pytest.raises(MalformedCode) as caught:
        emv_consumer.digits_of(case["base64"])
    assert caught.value.facts["tag"] == "61.5A"
