"""Who may do what: every route against no key, keys without its scope, and another merchant's key."""

from __future__ import annotations

from typing import Any

import pytest

from feiqian.access import SCOPES
from feiqian.web.app import ROUTES
from feiqian.web.caller import scopes_of
from tests.web.door import Door
from tests.web.stock import requests, stock, with_real_ids

pytestmark = pytest.mark.anyio

OPEN_TO_ALL_MERCHANTS = {"who_am_i", "list_merchants", "list_purchases", "list_payments", "list_events"}
"""Routes that name no object: they answer every key with its own. A new one must be put here or refuse."""


@pytest.fixture(scope="module")
async def ids(door: Door) -> dict[str, str]:
    return await stock(door)


@pytest.fixture(scope="module")
async def asked(door: Door, ids: dict[str, str]) -> Any:
    described = (await door.ask("GET", "/v1/openapi.json", key="")).text
    by_name = {route.fn.__name__.removesuffix("_route"): route for route in ROUTES}
    return [
        (verb, path, body, by_name[operation["operationId"]])
        for verb, path, body, operation in requests(with_real_ids(described, ids))
    ]


async def test_without_a_key_nobody_is_let_in(door: Door, asked: Any) -> None:
    for verb, path, body, route in asked:
        expected = {200} if route.opt.get("public") else {401}
        for wrong in ("", "sk_test_" + "x" * 43, "sk_live_" + "x" * 43, "é", "x" * 5_000):
            wrong_key = {"authorization": f"Bearer {wrong}".encode()} if wrong else {}
            answer = await door.client.request(verb, path, json=body, headers=wrong_key)
            assert answer.status_code in expected, (verb, path, wrong[:20], answer.text)
            if expected == {401}:
                assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_key_without_the_scope_is_refused(door: Door, asked: Any) -> None:
    keys: dict[tuple[str, ...], str] = {}
    for verb, path, body, route in asked:
        if route.opt.get("public"):
            continue
        scopes = scopes_of(route)
        if scopes not in keys:
            keys[scopes] = await door.key(*(scope for scope in SCOPES if scope not in scopes))
        answer = await door.ask(verb, path, body, keys[scopes])
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (verb, path, answer.text)


async def test_another_merchants_things_are_not_there(door: Door, asked: Any, ids: dict[str, str]) -> None:
    other = await door.merchant()
    key = await door.key(*SCOPES, merchant=other["id"])
    held = {id for prefix, id in ids.items() if prefix not in ("cod",)}
    for verb, path, body, route in asked:
        if route.opt.get("public"):
            continue
        answer = await door.ask(verb, path, body, key)
        where = (verb, path, answer.status_code, answer.text[:300])
        if route.opt.get("operator"):
            assert answer.status_code == 403, where
        elif route.fn.__name__ in OPEN_TO_ALL_MERCHANTS:
            assert answer.status_code == 200, where
            assert not any(id in answer.text for id in held), where
        else:
            assert answer.status_code == 404, where


async def test_a_merchants_own_key_sees_its_own(door: Door, ids: dict[str, str]) -> None:
    key = await door.key(*SCOPES, merchant=ids["mch"])
    for path in (
        f"/v1/merchants/{ids['mch']}",
        f"/v1/stores/{ids['sto']}",
        f"/v1/purchases/{ids['pur']}",
        f"/v1/payments/{ids['pay']}",
        f"/v1/refunds/{ids['rfd']}",
        f"/v1/codes/{ids['cod']}",
        f"/v1/stores?merchant={ids['mch']}",
    ):
        assert (await door.ask("GET", path, key=key)).status_code == 200, path
    wallet = (await door.get(f"/v1/merchants/{ids['mch']}", key))["wallets"][0]["id"]
    assert (await door.get(f"/v1/wallets/{wallet}/entries", key))["data"]
    assert (await door.ask("GET", f"/v1/wallets/{ids['wal']}", key=key)).status_code == 404


async def test_a_cursor_of_another_merchant_leads_nowhere(door: Door, ids: dict[str, str]) -> None:
    other = await door.merchant()
    key = await door.key(*SCOPES, merchant=other["id"])
    event = (await door.get(f"/v1/events?subject={ids['mch']}"))["data"][0]["id"]
    for name in ("after", "starting_after", "ending_before"):
        assert (await door.ask("GET", f"/v1/events?{name}={event}", key=key)).status_code == 404
    page = await door.get(f"/v1/payments?ending_before={ids['pay'][:4]}{'0' * 32}", key)
    assert page["data"] == []


async def test_a_wallet_needs_the_scope_of_its_owners_kind(door: Door, ids: dict[str, str]) -> None:
    payable = (await door.get(f"/v1/merchants/{ids['mch']}"))["wallets"][0]["id"]
    people, shops = await door.key("customers:read"), await door.key("merchants:read")
    for wallet, right, wrong in ((ids["wal"], people, shops), (payable, shops, people)):
        assert (await door.ask("GET", f"/v1/wallets/{wallet}", key=right)).status_code == 200
        assert (await door.ask("GET", f"/v1/wallets/{wallet}", key=wrong)).status_code == 403
