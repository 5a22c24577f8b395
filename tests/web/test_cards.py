"""Cards at the door: bound, shown, put in order, let go; and no number in any other place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.vaults import made_up
from tests.web.door import Door

pytestmark = pytest.mark.anyio


async def test_a_card_from_first_to_last(door: Door) -> None:
    alice = (await door.customer())["id"]
    number = made_up("622202")
    card = await door.card(alice, number)
    assert card["id"].startswith("crd_")
    assert (card["bin"], card["last_four"]) == ("622202", number[-4:])
    assert (card["issuer"], card["kind"], card["expires"]) == ("中国工商银行", "debit", "2030-09")
    assert number not in json.dumps(card)
    assert await door.get(f"/v1/cards/{card['id']}") == card
    assert (await door.card(alice, " ".join([number[:6], number[6:]])))["id"] == card["id"]
    other = await door.card(alice, made_up("621700"))
    at = f"/v1/customers/{alice}/cards"
    assert [each["id"] for each in (await door.get(at))["data"]] == [card["id"], other["id"]]
    swapped = await door.ask("PUT", f"{at}/order", {"cards": [other["id"], card["id"]]})
    assert [each["id"] for each in swapped.json()["data"]] == [other["id"], card["id"]]
    assert (await door.post(f"/v1/cards/{card['id']}/unbind"))["state"] == "unbound"
    assert [each["id"] for each in (await door.get(at))["data"]] == [other["id"]]
    wrong = await door.ask("PUT", f"{at}/order", {"cards": [other["id"], card["id"]]})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "bad_card_order")


async def test_a_token_from_first_to_last(door: Door) -> None:
    card = await door.card((await door.customer())["id"])
    at = f"/v1/cards/{card['id']}/tokens"
    controls = {
        "count_max": 3,
        "each_max": 10_000,
        "total_max": 20_000,
        "expires_at": "2026-12-01T00:00:00Z",
        "channels": ["online"],
        "payee_kinds": ["merchant"],
    }
    token = await door.post(at, controls)
    assert {name: token[name] for name in controls} == controls
    assert (token["card"], token["currency"], token["used"]) == (card["id"], "CNY", {"count": 0, "total": 0})
    here = f"/v1/card_tokens/{token['id']}"
    for act, state in (("suspend", "suspended"), ("resume", "active"), ("delete", "deleted")):
        assert (await door.post(f"{here}/{act}"))["state"] == state
    assert (await door.ask("POST", f"{here}/resume")).json()["code"] == "token_deleted"
    assert (await door.get(at))["data"] == [await door.get(here)]
    none = await door.ask("POST", at, {})
    assert (none.status_code, none.json()["code"]) == (422, "bad_token_controls")


async def test_a_card_is_bound_to_a_person_who_is_there(door: Door) -> None:
    body = {"number": made_up(), "expiry_month": 9, "expiry_year": 2030}
    school = await door.post("/v1/organisations", {"name": "第一小学"})
    gone = (await door.customer())["id"]
    await door.post(f"/v1/customers/{gone}/close")
    for owner, status in ((school["id"].replace("org", "cus"), 404), ("cus_" + "0" * 32, 404), (gone, 409)):
        assert (await door.ask("POST", "/v1/cards", {"customer": owner, **body})).status_code == status


async def test_scopes_and_merchants(door: Door) -> None:
    alice = (await door.customer())["id"]
    card = await door.card(alice)
    reader, writer = await door.key("cards:read"), await door.key("cards:write")
    shop = await door.key("cards:read", merchant=(await door.merchant())["id"])
    at = f"/v1/cards/{card['id']}"
    assert (await door.ask("GET", at, key=reader)).status_code == 200
    for key, verb, path in ((writer, "GET", at), (reader, "POST", f"{at}/unbind"), (shop, "GET", at)):
        assert (await door.ask(verb, path, key=key)).status_code == 403


SECRET_FIELDS = ["cvv", "cvc2", "CVN", "card_code", "securityCode", "pin", "pin-block", "track2", "trackData"]


@pytest.mark.parametrize("field", SECRET_FIELDS)
async def test_codes_tracks_and_pins_are_refused(door: Door, field: str) -> None:
    alice = (await door.customer())["id"]
    number = made_up()
    body = {"customer": alice, "number": number, "expiry_month": 9, "expiry_year": 2030}
    for path, asked in (
        ("/v1/cards", {**body, field: "canary-737"}),
        ("/v1/customers", {"name": "李明", "metadata": {field: "canary-737"}}),
        ("/v1/customers", {"name": "李明", field: "canary-737"}),
    ):
        answer = await door.ask("POST", path, asked)
        assert (answer.status_code, answer.json()["code"]) == (422, "card_secret_refused")
        assert "canary-737" not in answer.text
        assert number not in answer.text
    assert (await door.get(f"/v1/customers/{alice}/cards"))["data"] == []


async def test_a_number_where_none_belongs_is_refused_and_not_said_again(door: Door) -> None:
    number = made_up("622202")
    card: dict[str, Any] = {"expiry_month": 9, "expiry_year": 2030}
    wrong: list[tuple[str, str, Any, dict[str, str]]] = [
        ("POST", "/v1/customers", {"name": number}, {}),
        ("POST", "/v1/customers", {"name": f"李明 {number[:4]} {number[4:]}"}, {}),
        ("POST", "/v1/customers", {"name": "李明", "reference": number}, {}),
        ("POST", "/v1/customers", {"name": "李明", "metadata": {"card": number}}, {}),
        ("POST", "/v1/customers", {"name": "李明", "metadata": {number: "card"}}, {}),
        ("POST", "/v1/customers", {"name": "李明", number: 1}, {}),
        ("POST", "/v1/customers", {"name": "李明", "account_class": int(number)}, {}),
        ("POST", "/v1/customers", {"name": "李明"}, {"Idempotency_Key": number}),
        ("POST", "/v1/cards", {"customer": number, "number": number, **card}, {}),
        ("POST", "/v1/cards", {"customer": "cus_1", "number": number, **card, "holder_name": number}, {}),
        ("POST", "/v1/cards", {"customer": "cus_1", "number": [number], **card, number: 1}, {}),
        ("GET", f"/v1/customers?starting_after={number}", None, {}),
    ]
    for verb, path, body, headers in wrong:
        answer = await door.ask(verb, path, body, None, **headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "card_number_refused"), (
            body,
            answer.text,
        )
        assert number not in answer.text.replace(" ", "")


async def test_what_cannot_be_read_is_not_quoted(door: Door) -> None:
    number = made_up("622202")
    for wrong in ([number], {number: number}, int(number), None):
        body = {"customer": "cus_1", "number": wrong, "expiry_month": 9, "expiry_year": 2030}
        answer = await door.ask("POST", "/v1/cards", body)
        assert answer.status_code == 400
        assert number not in answer.text


async def test_no_answer_about_a_card_is_kept(door: Door) -> None:
    before = await door.town.sql("select count(*) as n from request")
    await door.card((await door.customer())["id"])
    after = await door.town.sql("select count(*) as n from request")
    assert after[0]["n"] == before[0]["n"] + 1  # the customer's alone
