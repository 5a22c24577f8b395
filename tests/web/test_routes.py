"""Every route's good day: registered, looked at, paid with, changed, closed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.web.door import HUNDRED, Door

pytestmark = pytest.mark.anyio


async def test_a_customer_from_first_to_last(door: Door) -> None:
    body = {
        "name": "王芳",
        "phone": "138 0013 8000",
        "reference": "crm-1",
        "account_class": 2,
        "metadata": {"since": "2026"},
    }
    made = await door.post("/v1/customers", body)
    (wallet,) = made["wallets"]
    assert made["id"].startswith("cus_")
    assert (made["phone"], made["reference"], made["account_class"], made["state"]) == (
        "+8613800138000",
        "crm-1",
        2,
        "active",
    )
    assert wallet["owner"] == made["id"]
    assert wallet["kind"] == "customer_wallet"
    assert wallet["balance"]["available"] == {"amount": 0, "currency": "CNY"}
    at = f"/v1/customers/{made['id']}"
    assert await door.get(at) == made
    assert (await door.post(f"{at}/account_class", {"account_class": 3}))["account_class"] == 3
    opened = await door.post(f"{at}/wallets", {"currency": "JPY"})
    assert opened["currency"] == "JPY"
    assert [each["currency"] for each in (await door.get(at))["wallets"]] == ["CNY", "JPY"]
    for act, state in (("freeze", "frozen"), ("release", "active"), ("close", "closed")):
        assert (await door.post(f"{at}/{act}"))["state"] == state
    refused = await door.ask("POST", f"{at}/freeze")
    assert (refused.status_code, refused.json()["code"]) == (409, "party_state")


async def test_an_organisation_is_no_customer(door: Door) -> None:
    made = await door.post("/v1/organisations", {"name": "第一小学"})
    assert made["wallets"][0]["kind"] == "organisation_wallet"
    assert made["wallets"][0]["owner"] == made["id"]
    assert await door.get(f"/v1/organisations/{made['id']}") == made
    as_person = made["id"].replace("org_", "cus_")
    assert (await door.ask("GET", f"/v1/customers/{as_person}")).status_code == 404
    assert (await door.ask("POST", f"/v1/customers/{as_person}/freeze")).status_code == 404
    assert made["id"] in [each["id"] for each in (await door.get("/v1/organisations"))["data"]]
    people = (await door.get("/v1/customers?limit=100"))["data"]
    assert {each["object"] for each in people} <= {"customer"}
    told = (await door.get(f"/v1/events?subject={made['id']}"))["data"]
    assert [(each["type"], each["subject"]) for each in told] == [("party.registered", made["id"])]
    for act, state in (("freeze", "frozen"), ("release", "active"), ("close", "closed")):
        assert (await door.post(f"/v1/organisations/{made['id']}/{act}"))["state"] == state


async def test_lists_turn_pages_both_ways(door: Door) -> None:
    merchant = await door.merchant()
    names = [f"店 {n}" for n in range(5)]
    for name in names:
        await door.post("/v1/stores", {"merchant": merchant["id"], "name": name})
    at = f"/v1/stores?merchant={merchant['id']}&limit=2"

    def shown(page: Any) -> tuple[list[str], bool]:
        return [each["name"] for each in page["data"]], page["has_more"]

    first = await door.get(at)
    assert shown(first) == (["店 4", "店 3"], True)
    second = await door.get(f"{at}&starting_after={first['data'][-1]['id']}")
    assert shown(second) == (["店 2", "店 1"], True)
    third = await door.get(f"{at}&starting_after={second['data'][-1]['id']}")
    assert shown(third) == (["店 0"], False)
    assert shown(await door.get(f"{at}&ending_before={third['data'][0]['id']}")) == (["店 2", "店 1"], True)
    assert shown(await door.get(f"{at}&ending_before={second['data'][0]['id']}")) == (["店 4", "店 3"], False)


async def test_a_wallets_statement_adds_up(door: Door) -> None:
    alice, merchant = await door.customer(funds=50_000), await door.merchant()
    wallet, store = alice["wallets"][0]["id"], await door.store(merchant["id"])
    rung = await door.purchase(store["id"], 10_000)
    before = (await door.get(f"/v1/wallets/{wallet}/balance"))["at"]
    await door.post("/v1/payments", {"payer": wallet, "code": rung["code"], "check": "two_factors"})
    held = await door.purchase(store["id"], 3_000, capture="later")
    paid = await door.post("/v1/payments", {"payer": wallet, "code": held["code"], "check": "two_factors"})
    payment = paid["payment"]["id"]
    await door.post(f"/v1/payments/{payment}/cancel", {})
    entries = await door.get(f"/v1/wallets/{wallet}/entries")
    told = [
        (e["effect"], e["amount"]["amount"], e["posted"]["amount"], e["held"]["amount"])
        for e in entries["data"]
    ]
    assert told == [
        ("released", 3_000, 40_000, 0),
        ("held", -3_000, 40_000, 3_000),
        ("moved", -10_000, 40_000, 0),
        ("moved", 50_000, 50_000, 0),
    ]
    assert entries["data"][0]["payment"] == payment
    now = await door.get(f"/v1/wallets/{wallet}")
    assert now["balance"]["posted"] == {"amount": 40_000, "currency": "CNY"}
    page = await door.get(f"/v1/wallets/{wallet}/entries?limit=1&starting_after={entries['data'][1]['id']}")
    assert page["data"] == [entries["data"][2]]
    assert page["has_more"]
    page = await door.get(f"/v1/wallets/{wallet}/entries?limit=1&ending_before={entries['data'][1]['id']}")
    assert page["data"] == [entries["data"][0]]
    then = await door.get(f"/v1/wallets/{wallet}/balance?at={before}")
    assert then["posted"]["amount"] in (50_000, 40_000)  # the clock stands still
    payable = merchant["wallets"][0]["id"]
    theirs = (await door.get(f"/v1/wallets/{payable}/entries"))["data"]
    assert [e["movement"] for e in theirs if e["effect"] == "moved"] == ["fee", "price"]
    assert (await door.get(f"/v1/merchants/{merchant['id']}"))["wallets"][0]["balance"]["posted"][
        "amount"
    ] == 10_000 - 38


async def test_a_past_balance_is_what_it_was(door: Door) -> None:
    alice = await door.customer(funds=100)
    wallet = alice["wallets"][0]["id"]
    now = (await door.get("/v1/clock"))["now"]
    await door.post("/v1/clock/advance", {"seconds": 3_600})
    await door.deposit(wallet, 200)
    at = f"/v1/wallets/{wallet}/balance"
    assert (await door.get(at))["posted"]["amount"] == 300
    assert (await door.get(f"{at}?at={now}"))["posted"]["amount"] == 100
    assert (await door.get(f"{at}?at=2020-01-01T00:00:00%2B08:00"))["posted"]["amount"] == 0
    for wrong in ("2020-01-01", "2020-01-01T00:00:00", "yesterday", "1600000000"):
        assert (await door.ask("GET", f"{at}?at={wrong}")).status_code == 400
    assert (await door.ask("GET", f"{at}?at=2999-01-01T00:00:00Z")).json()["code"] == "moment_to_come"


async def test_a_wallet_is_frozen_limited_and_closed(door: Door) -> None:
    wallet = (await door.customer())["wallets"][0]["id"]
    at = f"/v1/wallets/{wallet}"
    assert (await door.post(f"{at}/freeze"))["state"] == "frozen"
    assert (await door.post(f"{at}/release"))["state"] == "active"
    limit = {"measure": "amount", "period": "day", "most": 5_000}
    answer = await door.ask("PUT", f"{at}/limits", [limit])
    assert answer.json()["limits"] == [limit]
    twice = await door.ask("PUT", f"{at}/limits", [limit, limit])
    assert (twice.status_code, twice.json()["code"]) == (422, "bad_limits")
    assert (await door.post(f"{at}/close"))["state"] == "closed"


async def test_a_device_gets_its_secret_once(door: Door) -> None:
    customer = await door.customer(funds=10_000)
    at, wallet = f"/v1/customers/{customer['id']}/devices", customer["wallets"][0]["id"]
    made = await door.post(at, {"wallet": wallet, "code_class": "b"})
    assert len(made["secret"]) == 43
    assert (made["digits"], made["step_seconds"], made["prefix"]) == (19, 30, "86")
    seen = await door.get(f"/v1/devices/{made['id']}")
    assert not {"secret", "prefix"} & set(seen)
    assert (await door.get(at))["data"] == [seen]
    rows = await door.town.sql(
        "select count(*) as n from request where position($1 in body) > 0", made["secret"].encode()
    )
    assert rows[0]["n"] == 0
    for act, state in (("suspend", "suspended"), ("resume", "active"), ("remove", "removed")):
        assert (await door.post(f"/v1/devices/{made['id']}/{act}"))["state"] == state
    other = await door.customer()
    theirs = await door.ask("POST", f"/v1/customers/{other['id']}/devices", {"wallet": wallet})
    assert theirs.status_code == 404


async def test_a_merchant_its_terms_and_its_stores(door: Door) -> None:
    terms = {"rate_bps": 38, "minimum": 1, "cap": 5_000, "waivers": []}
    merchant = await door.merchant(terms=terms, reference="m-1")
    at = f"/v1/merchants/{merchant['id']}"
    assert await door.get(at) == merchant
    assert merchant["wallets"][0]["kind"] == "merchant_payable"
    quote = await door.get(f"{at}/quote?amount=10000&currency=CNY")
    assert (quote["fee"]["amount"], quote["net"]["amount"]) == (38, 9_962)
    assert quote["contract"] == (await door.get(f"{at}/contracts"))["data"][0]["id"]
    today = (await door.get("/v1/clock"))["business_date"]
    agreed = await door.post(
        f"{at}/contracts", {"currency": "USD", "begins_on": today, "terms": {"fixed": 10}}
    )
    assert agreed["terms"]["fixed"] == 10
    assert (await door.get(f"{at}/quote?amount=100&currency=USD"))["fee"]["amount"] == 10
    for wrong in ({"begins_on": "2020-01-01"}, {"begins_on": today, "ends_on": today}):
        body = {"currency": "USD", "terms": {}, **wrong}
        assert (await door.ask("POST", f"{at}/contracts", body)).status_code in (400, 422)
    assert (await door.post(f"{at}/suspend"))["wallets"][0]["state"] == "suspended"
    assert (await door.post(f"{at}/resume"))["wallets"][0]["state"] == "active"
    store = await door.store(merchant["id"])
    assert store["city"] == "成都"
    cashier = await door.post("/v1/cashiers", {"store": store["id"], "name": "小李"})
    terminal = await door.post("/v1/terminals", {"store": store["id"], "label": "前台 1"})
    assert (await door.get(f"/v1/cashiers?store={store['id']}"))["data"] == [cashier]
    assert (await door.get(f"/v1/terminals?store={store['id']}"))["data"] == [terminal]
    assert await door.get(f"/v1/cashiers/{cashier['id']}") == cashier
    assert await door.get(f"/v1/terminals/{terminal['id']}") == terminal
    assert (await door.post(f"/v1/terminals/{terminal['id']}/close"))["state"] == "closed"
    assert (await door.post(f"/v1/stores/{store['id']}/close"))["state"] == "closed"
    assert (await door.get(f"/v1/cashiers/{cashier['id']}"))["state"] == "closed"


async def test_keys_give_no_more_than_they_have(door: Door) -> None:
    small = await door.key("keys:write", "payments:read")
    made = await door.post("/v1/keys", {"name": "till", "scopes": ["payments:read"]}, small)
    assert (await door.get("/v1/me", made["secret"]))["scopes"] == ["payments:read"]
    more = await door.ask("POST", "/v1/keys", {"name": "till", "scopes": ["ledger:read"]}, small)
    assert more.status_code == 403
    strong = await door.post("/v1/keys", {"name": "strong", "scopes": ["ledger:read"]})
    taken = await door.ask("POST", f"/v1/keys/{strong['id']}/rotate", {}, small)
    assert taken.status_code == 403
    fresh = await door.post(f"/v1/keys/{made['id']}/rotate", {"overlap_seconds": 0})
    assert (await door.ask("GET", "/v1/me", key=made["secret"])).status_code == 401
    assert (await door.get("/v1/me", fresh["secret"]))["key"] == fresh["id"]
    await door.post(f"/v1/keys/{fresh['id']}/revoke")
    assert (await door.ask("GET", "/v1/me", key=fresh["secret"])).status_code == 401
    listed = await door.get("/v1/keys?limit=100")
    assert not any("secret" in each for each in listed["data"])


async def test_events_are_followed_in_the_order_of_commits(door: Door) -> None:
    last = (await door.get("/v1/events?limit=1"))["data"][0]["id"]
    merchant = await door.merchant()
    store = await door.store(merchant["id"])
    followed = await door.get(f"/v1/events?after={last}")
    assert [each["type"] for each in followed["data"]] == ["merchant.registered", "store.opened"]
    assert [each["subject"] for each in followed["data"]] == [merchant["id"], store["id"]]
    newest = await door.get("/v1/events?limit=2")
    assert [each["id"] for each in newest["data"]] == [each["id"] for each in reversed(followed["data"])]
    one = newest["data"][0]
    assert await door.get(f"/v1/events/{one['id']}") == one
    assert (await door.get(f"/v1/events?subject={store['id']}&type=store.opened"))["data"] == [one]
    beginning = await door.get(f"/v1/events?limit=1&after=evt_{'0' * 32}")
    assert beginning["data"][0]["type"] == "key.created"
    theirs = await door.get("/v1/events", await door.key("events:read", merchant=merchant["id"]))
    assert {each["type"] for each in theirs["data"]} == {"merchant.registered", "store.opened", "key.created"}


async def test_the_ledger_shows_and_proves_itself(door: Door) -> None:
    alice = await door.customer(funds=700)
    wallet = alice["wallets"][0]["id"]
    account = wallet.replace("wal_", "acc_")
    seen = await door.get(f"/v1/ledger/accounts/{account}")
    assert (seen["kind"], seen["unit"], seen["balance"]["posted"]) == ("customer_wallet", "CNY", 700)
    listed = await door.get("/v1/ledger/accounts?kind=customer_wallet&unit=CNY&limit=1")
    assert listed["data"][0] == seen
    (entry,) = (await door.get(f"/v1/ledger/accounts/{account}/entries"))["data"]
    transfer = await door.get(f"/v1/ledger/transfers/{entry['id']}")
    assert (transfer["credit"], transfer["amount"], transfer["flags"]) == (account, 700, [])
    assert transfer["credit_after"]["posted"] == 700
    assert (await door.get(f"/v1/ledger/accounts/{account}/balance"))["balance"]["posted"] == 700
    trial = await door.get("/v1/ledger/trial_balance")
    assert trial["balanced"]
    proof = await door.post("/v1/ledger/verify")
    assert proof["ok"], proof
    assert proof["entries"] > 0


async def test_creations_made_at_once_share_turns_and_happen_once(door: Door) -> None:
    made = await asyncio.gather(*(door.customer(reference=f"p-{n}") for n in range(64)))
    assert len({each["id"] for each in made}) == 64
    body = {"name": "同一人", "reference": "p-same"}
    answers = await asyncio.gather(
        *(door.ask("POST", "/v1/customers", body, idempotency_key="same") for _ in range(16))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    again = await door.ask("POST", "/v1/customers", body | {"name": "别人"}, idempotency_key="same")
    assert (again.status_code, again.json()["code"]) == (422, "idempotency_key_reused")


async def test_the_fee_is_shown_before_paying_and_the_same_after(door: Door) -> None:
    alice, merchant = await door.customer(funds=20_000), await door.merchant()
    store = await door.store(merchant["id"])
    quote = await door.get(f"/v1/merchants/{merchant['id']}/quote?amount=10000&currency=CNY")
    rung = await door.purchase(store["id"])
    assert rung["fee"] == quote["fee"]
    paid = await door.post(
        "/v1/payments", {"payer": alice["wallets"][0]["id"], "code": rung["code"], "check": "two_factors"}
    )
    assert paid["fee"] == quote["fee"]
    assert paid["amount"] == HUNDRED


async def test_a_clock_stays_within_calendars(door: Door) -> None:
    answer = await door.ask("POST", "/v1/clock/advance", {"seconds": 366 * 86_400 + 1})
    assert answer.status_code == 400
