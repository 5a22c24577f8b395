"""What comes in at the door: amounts, bodies, texts and fields that must not pass, on every route."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest

from feiqian.kernel.money import MAX_MINOR
from tests.web.door import Door
from tests.web.stock import requests, stock, with_real_ids

pytestmark = pytest.mark.anyio

AMOUNTS = {
    "negative": "-1",
    "zero": "0",
    "minus zero": "-0",
    "decimals": "48.60",
    "a point": "48.0",
    "over the maximum": str(MAX_MINOR + 1),
    "2^63": str(2**63),
    "2^127": str(2**127),
    "5,000 digits": "9" * 5_000,
    "exponent": "1e3",
    "NaN": "NaN",
    "Infinity": "Infinity",
    "-Infinity": "-Infinity",
    "plus": "+5",
    "plus as text": '"+5"',
    "text": '"5"',
    "words": '"five"',
    "grouping": "1,000",
    "grouping as text": '"1,000"',
    "hex": "0x10",
    "hex as text": '"0x10"',
    "leading zero": "05",
    "full width": "５",
    "full width as text": '"５"',
    "Arabic": "٥",
    "Arabic as text": '"٥"',
    "empty": '""',
    "blank": '" "',
    "nothing": "",
    "true": "true",
    "false": "false",
    "null": "null",
    "list": "[5]",
    "object": '{"amount": 5}',
}
IN_QUERY = [
    *(
        "-1",
        "0",
        "00",
        "05",
        "48.60",
        "1e3",
        "NaN",
        "Infinity",
        "%2B5",
        "1,000",
        "0x10",
        "５",
        "٥",
        "",
        "%20",
        "5%0A",
    ),
    *("true", "null", "[5]", "five", str(MAX_MINOR + 1), str(2**63), str(2**127)),
]


@pytest.fixture(scope="module")
async def described(door: Door) -> Any:
    ids = await stock(door)
    return with_real_ids((await door.ask("GET", "/v1/openapi.json", key="")).text, ids)


@pytest.fixture(scope="module")
def bodies(described: Any) -> Any:
    """Verb, path, sound body and body's schema of every route that takes one."""
    return [
        (verb, path, body, operation["requestBody"]["content"]["application/json"]["schema"])
        for verb, path, body, operation in requests(described)
        if body is not None
    ]


async def everything(door: Door) -> list[Any]:
    """How many rows each table has, and what all accounts add up to. The audit log tells of refusals too."""
    tables = await door.town.sql(
        "select tablename from pg_tables where schemaname = current_schema() and tablename not like 'audit%'"
    )
    counts = [
        (row[0], (await door.town.sql(f'select count(*) from "{row[0]}"'))[0][0]) for row in sorted(tables)
    ]
    sums = await door.town.sql(
        "select sum(debits_posted), sum(debits_pending), sum(credits_posted), sum(credits_pending)"
        " from account"
    )
    states = await door.town.sql("select id, state from wallet order by id")
    return [counts, [tuple(row) for row in sums], [tuple(row) for row in states]]


async def send(door: Door, verb: str, path: str, raw: bytes | str, **headers: str) -> Any:
    """One request with these very bytes."""
    shown = {
        "authorization": f"Bearer {door.operator}",
        "content-type": "application/json",
        "idempotency-key": door.number(),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    content = raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw
    return await door.client.request(verb, path, content=content, headers=shown)


def refused(answer: Any, *why: Any) -> None:
    """A 4xx as a problem, without a trace of how we work inside."""
    assert 400 <= answer.status_code < 500, (*why, answer.status_code, answer.text[:300])
    assert answer.headers["content-type"] == "application/problem+json", why
    assert "Traceback" not in answer.text
    assert answer.json()["request_id"] == answer.headers["request-id"]


def amount_fields(schema: Any, schemas: Any, path: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], Any]]:
    """Where in a body amounts stand: whole numbers as large as an amount may be."""
    if "$ref" in schema:
        return amount_fields(schemas[schema["$ref"].rsplit("/", 1)[-1]], schemas, path)
    if schema.get("maximum") == MAX_MINOR:
        return [(path, schema)]
    found = []
    for each in schema.get("anyOf", ()):
        nullable = {"type": "null"} in schema["anyOf"]
        found += [
            (where, {**one, "nullable": nullable and where == path})
            for where, one in amount_fields(each, schemas, path)
        ]
    for name, inner in schema.get("properties", {}).items():
        found += amount_fields(inner, schemas, (*path, name))
    if "items" in schema:
        found += amount_fields(schema["items"], schemas, (*path, 0))
    return found


def planted(body: Any, path: tuple[Any, ...], raw: str) -> str:
    """The body with raw text in place of one value."""
    changed = copy.deepcopy(body)
    inner = changed
    for step in path[:-1]:
        inner = inner.setdefault(step, {}) if isinstance(inner, dict) else inner[step]
    inner[path[-1]] = "@here@"
    return json.dumps(changed).replace('"@here@"', raw)


async def test_no_amount_but_an_amount(door: Door, described: Any, bodies: Any) -> None:
    before = await everything(door)
    tried = 0
    for verb, path, body, schema in bodies:
        for where, field in amount_fields(schema, described["components"]["schemas"]):
            for name, raw in AMOUNTS.items():
                may_be_zero = field["minimum"] == 0 and name in ("zero", "minus zero")
                if may_be_zero or (name == "null" and field.get("nullable")):
                    continue
                refused(await send(door, verb, path, planted(body, where, raw)), path, where, name)
                tried += 1
    for text in IN_QUERY:
        path = next(path for _, path, _, one in requests(described) if one["operationId"] == "quote_fee")
        refused(await door.ask("GET", path.replace("amount=100", f"amount={text}")), text)
    assert tried > 400
    assert await everything(door) == before


def hostile(sound: str) -> list[bytes]:
    """Bodies that are not what they should be."""
    deep = [17, 100, 1_000, 20_000]
    raw = sound.encode()
    found = [
        b"{", b"}", b"[", b"]", b"{}", b"[]", b"null", b"true", b"0", b'""', b'"text"', b"{]", b"[}",
        b"{,}", b"{{}}", b"nul", b"\x00", b" ", b"\xef\xbb\xbf" + raw, raw + raw, raw + b"}",
        raw + b"\x00", b"//x\n" + raw, raw.replace(b'"', b"'"), sound.encode("utf-16"),
        sound.encode("utf-32"), b"\xff\xfe\xfa", b"\x1f\x8b\x08\x00" + raw, b"<xml/>", b"a=b&c=d",
        b"--x\r\nContent-Disposition: form-data", b'{"__proto__": {"admin": true}}', b'{"": 1}',
        b'{"a": "\\ud800"}', b'{"a": "\\u0000"}', b'{"a": "\x01"}', b'{"a": 1e99999}',
        b'{"a": ' + b"9" * 5_000 + b"}", b'{"a": -}', b'{"a": .5}', b'{"a": 5.}', b'{"a": 0x1}',
        b'{"a": "\\x41"}', b'{"a": "\\u12"}', b'{"a": "unfinished', b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 1}}', b'[{"a": 1, "a": 1}]', b"{" + b'"a": 1, ' * 9 + b'"b": 1}',
        b"\xc0\xaf", b"\xed\xa0\x80", b'"' + b"x" * 60_000 + b'"', b'{"' + b"k" * 60_000 + b'": 1}',
        b"x" * 65_537, b" " * 1_000_000, raw + b" " * 65_536,
    ]  # fmt: skip
    found += [b"[" * n + b"]" * n for n in deep]
    found += [b'{"a":' * n + b"1" + b"}" * n for n in deep]
    found += [raw[:-1].rstrip() + b', "metadata": ' + b'{"a":' * 20 + b"1" + b"}" * 20 + b"}"]
    found += [raw[:n] for n in range(1, len(raw), 7)]
    return found


async def test_no_body_but_a_sound_one(door: Door, bodies: Any) -> None:
    before = await everything(door)
    tried = 0
    for verb, path, body, _ in bodies:
        if path.rsplit("/", 1)[-1] not in ("customers", "purchases", "payments", "transfers", "merchants"):
            continue
        for raw in hostile(json.dumps(body, ensure_ascii=False)):
            refused(await send(door, verb, path, raw), path, raw[:60])
            tried += 1
    assert tried > 300
    assert await everything(door) == before


async def test_a_key_twice_is_refused_whatever_it_holds(door: Door, bodies: Any) -> None:
    for verb, path, body, _ in bodies:
        for name in body if isinstance(body, dict) else ():
            text = json.dumps(body)
            twice = f'{{"{name}": {json.dumps(body[name])}, {text[1:]}'
            refused(await send(door, verb, path, twice), path, name)


async def test_flipped_bytes_never_break_us(door: Door, bodies: Any) -> None:
    chance = random.Random(4860)
    for verb, path, body, _ in bodies:
        if path.endswith(("revoke", "rotate")):
            continue
        raw = bytearray(json.dumps(body, ensure_ascii=False).encode())
        for _ in range(12):
            bent = bytearray(raw)
            for _ in range(chance.randint(1, 3)):
                bent[chance.randrange(len(bent))] = chance.randrange(256)
            answer = await send(door, verb, path, bytes(bent))
            assert answer.status_code < 500, (path, bytes(bent), answer.text)


async def test_bodies_are_json_and_say_so(door: Door, bodies: Any) -> None:
    kinds = [
        "", "text/plain", "text/json", "application/xml", "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x", "application/jsonp", "application/json5", "application/msgpack",
    ]  # fmt: skip
    for verb, path, body, _ in bodies[::5]:
        for kind in kinds:
            answer = await send(door, verb, path, json.dumps(body), content_type=kind)
            refused(answer, path, kind)
            assert answer.status_code == 415
    verb, path, body, _ = bodies[0]
    large = await send(door, verb, path, b" " * 70_000)
    assert large.status_code == 413


TEXTS = [
    "<script>alert(1)</script>", "'; drop table payment; --", "%s%n{0}{{7*7}}${7*7}", "=1+1", "+1", "-1",
    "@SUM(A1)", "a\tb", "a\nb", "a\r\nb: c", "\u202egnp.exe", "\u2066x\u2069", "zero\u200bwidth", "\u200b",
    "e\u0301", "é", "👩‍👩‍👧", "中文名字", "\U00020000𠮷", "\ufeffbom", "\ufffe", "\uffff", "a\x00b", "a\x1bb",
    "\x7f", "\x85", "\u2028", " lead", "trail ", "  ", "x" * 100, "x" * 101, "x" * 10_000, "null",
    "../../etc/passwd", "\\", '"', "`id`", "$(id)", "İ", "ß", "\ue000", "‮", "𝒳", "ﷺ", "e" + "\u0301" * 50,
    "\U0010ffff", "\u00ad", "\u3000", "a\u00a0b", "\u061c",
]  # fmt: skip


async def test_a_text_is_kept_as_it_is_or_refused(door: Door, bodies: Any) -> None:
    words = {"name", "reference", "description", "city", "label", "note", "reason"}
    kept = 0
    for verb, path, body, _ in bodies:
        if not isinstance(body, dict) or path.endswith("/keys"):
            continue
        fields = sorted(words & set(body)) + (["metadata"] if "metadata" in body else [])
        for field in fields:
            for text in TEXTS:
                value = {"note": text} if field == "metadata" else text
                asked = {**body, field: value}
                asked.pop("phone", None)
                for unique in ("reference", "merchant_order_no", "refund_no"):
                    if unique in asked and unique != field:
                        asked[unique] = door.number()
                answer = await door.ask(verb, path, asked)
                if answer.status_code >= 300:
                    refused(answer, path, field, text)
                    continue
                made = answer.json()
                shown = made.get(field, made.get("refs", {}).get(field))
                if shown is None:
                    continue  # a reason is ours alone
                assert shown == value, (path, field, text)
                if "state" in made and made["object"] in (
                    "customer",
                    "organisation",
                    "merchant",
                    "store",
                    "purchase",
                ):
                    again = await door.get(f"/v1/{made['object']}s/{made['id']}")
                    assert again[field] == value, (path, field, text)
                kept += 1
    assert kept > 100


async def test_addresses_hide_nothing(door: Door, described: Any) -> None:
    hidden = ["%00", "a%00b", "%ED%A0%80", "%FF", "%E2%80%AE", "%C0%AF", "%1B", "x" * 8_000, "%25s", "'", "%"]
    for path, item in described["paths"].items():
        for parameter in item.get("get", {}).get("parameters", []):
            if parameter.get("in") == "query":
                for text in hidden:
                    asked = f"{path}?{parameter['name']}={text}".replace("{", "").replace("}", "")
                    answer = await door.ask("GET", asked)
                    assert answer.status_code < 500, (path, parameter["name"], text)
    for text in hidden[:-4]:
        for path in ("/v1/events?type=", "/v1/ledger/accounts?unit=", "/v1/purchases?merchant_order_no="):
            answer = await door.ask("GET", path + text)
            assert answer.status_code in (200, 400), (path, text, answer.text)
    assert (await door.ask("GET", "/v1/events?type=a%00b")).status_code == 400
    assert (await door.ask("GET", "/v1/events?limit=1&limit=2")).status_code == 400
    for verb, path, _, _ in requests(described):
        for text in ("%00", "%FF", "..%2F..%2Fetc", "x" * 500):
            parts = path.split("/")
            bent = "/".join(part[:4] + text if len(part) == 36 else part for part in parts)
            answer = await door.ask(verb, bent)
            assert answer.status_code < 500, (verb, bent)


async def test_no_field_but_the_named_ones(door: Door, described: Any, bodies: Any) -> None:
    before = await everything(door)
    protected = {
        "id", "balance", "available", "state", "status", "owner", "fee", "score", "role", "tenant",
        "principal", "wallets", "created_at", "refusal", "captured", "net", "is_admin", "book", "Amount",
        "amount ",
    }  # fmt: skip
    schemas = described["components"]["schemas"]
    for verb, path, body, schema in bodies:
        if not isinstance(body, dict):
            body, where = body[0], list
            schema = schema["items"]
        else:
            where = None
        allowed = set(schemas[schema["$ref"].rsplit("/", 1)[-1]]["properties"])
        for field in sorted(protected - allowed):
            more = {**body, field: 1}
            answer = await door.ask(verb, path, [more] if where is list else more)
            refused(answer, path, field)
            assert answer.status_code == 400
    assert await everything(door) == before
