"""What the API leaves in the audit log: one entry for each act, with who did it; refusals; reads."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from feiqian.access import SCOPES
from feiqian.kernel.audit.recorder import Recorder
from feiqian.kernel.audit.verify import verify
from feiqian.kernel.errors import Unavailable
from feiqian.kernel.ids import show
from feiqian.web.app import ROUTES
from feiqian.web.audited import ACTS, APART, ELSEWHERE, READS
from feiqian.web.witness import Witness
from tests.vaults import made_up
from tests.web.door import Door

pytestmark = pytest.mark.anyio

NAME, PHONE, CARD = "欧阳娜娜", "13912345678", made_up("622202", seed=7)
CANARIES = (NAME, "娜娜", PHONE, PHONE[-8:], CARD)


async def entries(door: Door, after: int = 0) -> list[Any]:
    """What stands in the log behind an entry, what waits included."""
    await door.house.recorders["town"].drained()
    return await door.town.sql("select * from audit_entry where seq > $1 order by seq", after)


async def last(door: Door) -> int:
    await door.house.recorders["town"].drained()
    return int((await door.town.sql("select seq from audit_head"))[0]["seq"])


def names(routes: Any) -> set[str]:
    return {route.fn.__name__ for route in routes}


async def test_every_route_is_classed() -> None:
    """A new route that changes something must say in web/audited.py what it leaves behind, and where."""
    changing = names(route for route in ROUTES if route.http_methods - {"GET", "HEAD"})
    classes = [set(ACTS), set(APART), set(READS), set(ELSEWHERE)]
    classed = set.union(*classes)
    assert not changing - classed
    assert not classed - names(ROUTES)
    assert sum(map(len, classes)) == len(classed)  # each in one class


async def test_every_route_with_a_key_is_watched(door: Door) -> None:
    watched = Witness(door.app.inner, door.house, ROUTES)._verbs
    for route in door.app.inner.routes:
        for method, (handler, _) in getattr(route, "route_handler_map", {}).items():
            is_ours = handler.opt.get("scope") and not handler.opt.get("public")
            assert ((str(method), route.path_format) in watched) == bool(is_ours), (method, route.path_format)


@pytest.fixture(scope="module")
async def clerk(door: Door) -> Any:
    """A key whose doings are looked for, as (key id, secret)."""
    made = await door.post("/v1/keys", {"name": "clerk", "scopes": [*SCOPES]})
    return made["id"], made["secret"]


@pytest.fixture(scope="module")
async def acted(door: Door, clerk: Any) -> dict[str, list[Any]]:
    """Every act once, by the clerk: its entries, by route. Set-ups are the operator's."""
    key_id, secret = clerk
    found: dict[str, list[Any]] = {}

    async def act(route: str, path: str, body: Any = None, method: str = "POST") -> Any:
        before = await last(door)
        answer = await door.ask(method, path, body, secret)
        assert answer.status_code in (200, 201), (route, answer.text)
        found[route] = [row for row in await entries(door, before) if row["actor"] == key_id]
        again = await door.town.sql("select count(*) from audit_entry where seq > $1", before)
        assert again[0]["count"] == len(found[route])
        return answer.json()

    person = await act("create_customer", "/v1/customers", {"name": NAME, "phone": PHONE})
    body = await act("create_organisation", "/v1/organisations", {"name": NAME + "学校"})
    for kind, one, at in (("customer", person, "customers"), ("organisation", body, "organisations")):
        path = f"/v1/{at}/{one['id']}"
        for verb in ("freeze", "release"):
            await act(f"{verb}_{kind}", f"{path}/{verb}")
        await act(f"open_{kind}_wallet", f"{path}/wallets", {"currency": "JPY"})
    await act("classify_customer", f"/v1/customers/{person['id']}/account_class", {"account_class": 3})
    wallet = person["wallets"][0]["id"]
    for verb in ("freeze", "release"):
        await act(f"{verb}_wallet", f"/v1/wallets/{wallet}/{verb}")
    limits = [{"measure": "amount", "period": "day", "most": 98_765_432_100}]
    await act("limit_wallet", f"/v1/wallets/{wallet}/limits", limits, "PUT")
    await act("limit_wallet", f"/v1/wallets/{wallet}/limits", [], "PUT")
    device = await act("create_device", f"/v1/customers/{person['id']}/devices", {"wallet": wallet})
    for verb in ("suspend", "resume", "remove"):
        await act(f"{verb}_device", f"/v1/devices/{device['id']}/{verb}")
    terms = {"rate_bps": 38, "waivers": [{"begins_on": "2026-11-11", "ends_on": "2026-11-12"}]}
    shop = {"name": NAME + "茶馆", "mcc": "5812", "city": "西安", "terms": terms}
    number = {"customer": person["id"], "number": CARD, "expiry_month": 9, "expiry_year": 2030}
    card = await act("bind_card", "/v1/cards", number)
    order = f"/v1/customers/{person['id']}/cards/order"
    await act("order_cards", order, {"cards": [card["id"]]}, "PUT")
    token = await act("issue_card_token", f"/v1/cards/{card['id']}/tokens", {"count_max": 3})
    for verb in ("suspend", "resume", "delete"):
        await act(f"{verb}_card_token", f"/v1/card_tokens/{token['id']}/{verb}")
    await act("unbind_card", f"/v1/cards/{card['id']}/unbind")
    merchant = await act("create_merchant", "/v1/merchants", shop)
    at = f"/v1/merchants/{merchant['id']}"
    for verb in ("suspend", "resume"):
        await act(f"{verb}_merchant", f"{at}/{verb}")
    today = (await door.get("/v1/clock"))["business_date"]
    contract = {"currency": "CNY", "begins_on": today, "terms": {"rate_bps": 60}}
    await act("create_contract", f"{at}/contracts", contract)
    store = await act("create_store", "/v1/stores", {"merchant": merchant["id"], "name": NAME + "店"})
    cashier = await act("create_cashier", "/v1/cashiers", {"store": store["id"], "name": NAME})
    terminal = await act("create_terminal", "/v1/terminals", {"store": store["id"], "label": "前台"})
    code = await act("create_code", "/v1/codes", {"store": store["id"], "currency": "CNY"})
    await act("cancel_code", f"/v1/codes/{code['id']}/cancel")
    money = {"amount": 50_000, "currency": "CNY"}
    deposit = {"wallet": wallet, "amount": money, "reference": "receipt-1"}
    await act("create_deposit", "/v1/deposits", deposit)
    rung = await door.purchase(store["id"], 10_000)
    paid = await door.post("/v1/payments", {"payer": wallet, "code": rung["code"], "check": "two_factors"})
    refund = {"refund_no": "r1", "amount": 100, "reason": NAME}
    await act("refund_payment", f"/v1/payments/{paid['payment']['id']}/refunds", refund)
    payer = (await door.customer())["wallets"][0]["id"]
    await act("create_payee", "/v1/payees", {"payer": payer, "phone": PHONE})
    await act("close_cashier_route", f"/v1/cashiers/{cashier['id']}/close")
    await act("close_terminal_route", f"/v1/terminals/{terminal['id']}/close")
    await act("close_store_route", f"/v1/stores/{store['id']}/close")
    made = await act("create_key", "/v1/keys", {"name": NAME, "scopes": ["payments:read"]})
    new = await act("rotate_key", f"/v1/keys/{made['id']}/rotate", {"overlap_seconds": 60})
    await act("revoke_key", f"/v1/keys/{new['id']}/revoke")
    await act("advance_clock", "/v1/clock/advance", {"seconds": 60})
    yen = next(each["id"] for each in (await door.get(f"/v1/customers/{person['id']}"))["wallets"][1:])
    await act("close_wallet", f"/v1/wallets/{yen}/close")
    nobody = await door.customer()
    await act("close_customer", f"/v1/customers/{nobody['id']}/close")
    await act("close_organisation", f"/v1/organisations/{body['id']}/close")
    return found


async def test_every_act_leaves_one_entry_by_who_did_it(acted: Any, clerk: Any) -> None:
    assert set(acted) == set(ACTS) | set(APART)
    for route, found in acted.items():
        assert [row["verb"] for row in found] == [(ACTS | APART)[route]], (route, found)
        (row,) = found
        assert (row["result"], row["actor"]) == ("done", clerk[0]), route
        assert row["request"].startswith("req_"), route
        assert row["peer"] == "127.0.0.1", route
        assert row["principal"] is not None
        assert row["objects"] or route == "advance_clock", route


async def test_settings_stand_there_before_and_after(acted: Any) -> None:
    def facts(route: str) -> Any:
        return acted[route][0]["facts"]

    assert facts("limit_wallet")["before"]["limits"] == [
        {"measure": "amount", "period": "day", "most": 98_765_432_100}
    ]
    assert facts("limit_wallet")["after"]["limits"] == []
    contract = facts("create_contract")
    assert contract["before"]["terms"]["rate_bps"] == 38
    assert contract["before"]["terms"]["waivers"][0]["begins_on"] == "2026-11-11"
    assert contract["after"]["terms"]["rate_bps"] == 60
    assert facts("freeze_customer") == {
        "before": {"state": "active", "account_class": 1},
        "after": {"state": "frozen", "account_class": 1},
    }
    assert facts("create_deposit")["after"]["amount"]["minor"] == 50_000
    assert facts("refund_payment")["after"]["amount"]["minor"] == 100


async def test_no_name_phone_or_secret_is_in_the_log(door: Door, acted: Any, clerk: Any) -> None:
    await door.ask("GET", f"/v1/customers/{PHONE}")
    await door.ask("POST", "/v1/customers", {"name": NAME, "phone": PHONE})  # taken
    await door.ask("GET", "/v1/customers", key="sk_test_" + CARD)
    await door.ask("GET", "/v1/customers")
    rows = await door.town.sql("select audit_entry::text as row from audit_entry")
    rows += await entries(door)
    text = "\n".join(map(repr, rows))
    for canary in (*CANARIES, "sk_test_", clerk[1][-20:]):
        assert canary not in text, canary


async def test_refused_acts_are_there_with_the_reason(door: Door, clerk: Any) -> None:
    secret = clerk[1]
    alice = await door.customer(funds=100)
    wallet, before = alice["wallets"][0]["id"], await last(door)
    who, key = alice["id"], "key_" + "0" * 32
    tried = [
        ("POST", f"/v1/wallets/{wallet}/close", None, "wallet.closed", "account_not_empty", [wallet]),
        ("POST", f"/v1/customers/{who}/close", None, "party.closed", "party_not_empty", [who]),
        ("POST", f"/v1/keys/{key}/revoke", None, "key.revoked", "not_found", [key]),
        ("POST", "/v1/customers", {"name": NAME, "phone": "123"}, "party.registered", "bad_phone", []),
    ]
    for method, path, body, *_ in tried:
        assert (await door.ask(method, path, body, secret)).status_code >= 400
    refused = await door.ask(
        "POST",
        "/v1/deposits",
        {"wallet": "wal_" + "0" * 32, "amount": {"amount": 1, "currency": "CNY"}, "reference": "r"},
        secret,
    )
    assert refused.status_code == 404
    told = [(row["verb"], row["result"], row["objects"]) for row in await entries(door, before)]
    assert told == [
        *((verb, code, objects) for *_, verb, code, objects in tried),
        ("deposit.booked", refused.json()["code"], []),
    ]


async def test_failed_accesses_are_there(door: Door, clerk: Any) -> None:
    """No key, no right, and another merchant's things; asked twice in a breath, counted twice."""
    mine, other = await door.merchant(), await door.merchant()
    store = await door.store(other["id"])
    poor = await door.post("/v1/keys", {"name": "poor", "scopes": ["payments:read"]})
    bound = await door.post(
        "/v1/keys", {"name": "bound", "scopes": ["merchants:read"], "merchant": mine["id"]}
    )
    before = await last(door)
    for path, key, status in (
        ("/v1/ledger/accounts", "", 401),
        ("/v1/ledger/accounts", "sk_test_" + "x" * 43, 401),
        (f"/v1/stores/{store['id']}", poor["secret"], 403),
        (f"/v1/stores/{store['id']}", bound["secret"], 404),
        ("/v1/nothing/here", "", 404),
        ("/v1/errors/nothing", "", 404),
    ):
        assert (await door.ask("GET", path, key=key)).status_code == status, path
    told = {
        (row["actor"], row["result"], *row["objects"]): row["facts"].get("times", 1)
        for row in await entries(door, before)
        if row["verb"] == "access.failed"
    }
    assert told == {
        ("nobody", "unauthenticated"): 2,
        (poor["id"], "forbidden", store["id"]): 1,
        (bound["id"], "not_found", store["id"]): 1,
    }


async def test_a_read_of_identity_is_on_disk_before_its_answer_leaves(
    door: Door, clerk: Any, monkeypatch: Any
) -> None:
    key_id, secret = clerk
    alice, bob = await door.customer(), await door.customer()
    (seq,) = [await last(door)]
    await door.get(f"/v1/customers/{alice['id']}", secret)
    await door.get("/v1/customers?limit=2", secret)
    rows = await door.town.sql("select * from audit_entry where seq > $1 order by seq", seq)  # not drained
    assert [(row["verb"], row["actor"], row["result"]) for row in rows] == [
        ("party.read", key_id, "done"),
        ("party.read", key_id, "done"),
    ]
    assert [row["objects"] for row in rows] == [[alice["id"]], [bob["id"], alice["id"]]]

    async def away(self: Recorder, note: Any) -> None:
        raise Unavailable

    monkeypatch.setattr(Recorder, "now", away)
    answer = await door.ask("GET", f"/v1/customers/{alice['id']}", key=secret)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "1"
    assert alice["id"] not in answer.text


async def test_without_room_in_the_log_a_refusal_is_not_told(door: Door, monkeypatch: Any) -> None:
    def full(self: Recorder, note: Any) -> None:
        raise Unavailable

    monkeypatch.setattr(Recorder, "soon", full)
    assert (await door.ask("GET", "/v1/customers", key="")).status_code == 503


async def test_a_batch_of_many_callers_keeps_them_apart(door: Door) -> None:
    keys = [await door.post("/v1/keys", {"name": "k", "scopes": ["customers:write"]}) for _ in range(5)]
    before = await last(door)
    made = await asyncio.gather(
        *(door.post("/v1/customers", {"name": "A B"}, keys[n % 5]["secret"]) for n in range(40))
    )
    told = {row["objects"][0]: row["actor"] for row in await entries(door, before)}
    assert told == {one["id"]: keys[n % 5]["id"] for n, one in enumerate(made)}


async def test_a_request_sent_again_is_one_entry(door: Door) -> None:
    before = await last(door)
    for _ in range(2):
        await door.post("/v1/merchants", _SHOP, idempotency_key="once-merchant")
    wallet = (await door.customer())["wallets"][0]["id"]
    body = {"wallet": wallet, "amount": {"amount": 5, "currency": "CNY"}, "reference": "one-receipt"}
    for _ in range(2):
        await door.post("/v1/deposits", body)  # another key, the same receipt
    verbs = [row["verb"] for row in await entries(door, before)]
    assert verbs == ["merchant.registered", "party.registered", "deposit.booked"]


_SHOP = {"name": "豆花店", "mcc": "5812", "city": "成都"}


async def test_a_payment_leaves_nothing_in_the_log(door: Door) -> None:
    alice, merchant = await door.customer(funds=50_000), await door.merchant()
    wallet, store = alice["wallets"][0]["id"], await door.store(merchant["id"])
    before = await last(door)
    rung = await door.purchase(store["id"])
    await door.post("/v1/payments", {"payer": wallet, "code": rung["code"], "check": "two_factors"})
    await door.get(f"/v1/purchases/{rung['id']}")
    assert await last(door) == before


async def test_the_log_is_read_by_what_it_is_about(door: Door, clerk: Any, acted: Any) -> None:
    key_id, _ = clerk
    wallet = acted["limit_wallet"][0]["objects"][0]
    page = await door.get(f"/v1/audit?object={wallet}&limit=100")
    verbs = [each["verb"] for each in page["data"]]
    assert verbs[-4:] == [
        "wallet.limits_changed",
        "wallet.limits_changed",
        "wallet.released",
        "wallet.frozen",
    ]
    mine = (await door.get(f"/v1/audit?actor={key_id}&verb=key.created"))["data"]
    assert [each["actor"] for each in mine] == [key_id]
    assert (await door.get(f"/v1/audit/{mine[0]['id']}")) == mine[0]
    by_principal = (await door.get(f"/v1/audit?actor={mine[0]['principal']}&verb=key.created"))["data"]
    assert by_principal == mine
    at = mine[0]["at"]
    assert (await door.get(f"/v1/audit?verb=key.created&since={at}&until={at}"))["data"] == []
    assert mine[0] in (await door.get(f"/v1/audit?verb=key.created&since={at}"))["data"]
    first = await door.get("/v1/audit?limit=2")
    second = await door.get(f"/v1/audit?limit=2&starting_after={first['data'][-1]['id']}")
    seqs = [each["seq"] for each in (*first["data"], *second["data"])]
    assert seqs == list(range(seqs[0], seqs[0] - 4, -1))
    back = await door.get(f"/v1/audit?limit=2&ending_before={second['data'][0]['id']}")
    assert back["data"] == first["data"]
    # Who looked into the log stands in the log.
    assert (await door.get("/v1/audit?verb=audit.read&limit=1"))["data"][0]["objects"]
    assert (await door.ask("GET", "/v1/audit/aud_" + "0" * 32)).status_code == 404
    assert (await door.ask("GET", f"/v1/audit?starting_after=aud_{'0' * 32}")).status_code == 404


async def test_only_the_operator_reads_the_log(door: Door) -> None:
    merchant = await door.merchant()
    for key in (
        await door.key(*SCOPES, merchant=merchant["id"]),
        await door.key(*(scope for scope in SCOPES if scope != "audit:read")),
    ):
        assert (await door.ask("GET", "/v1/audit", key=key)).status_code == 403


async def test_after_all_this_the_chain_holds(door: Door, acted: Any) -> None:
    rows = await entries(door)
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    proof = await door.town.read(verify)
    assert proof.ok, proof.faults
    assert show("aud", rows[-1]["id"]).startswith("aud_")
