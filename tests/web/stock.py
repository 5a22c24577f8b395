"""A stocked book: one real object of every kind, to put into the description's examples."""

from __future__ import annotations

import json
import re
from typing import Any

from feiqian.web.example import example
from tests.web.door import Door

CODE: str = example({"type": "string"}, {}, "code")
"""The code in the description's examples, to be replaced by a real one."""


async def stock(door: Door) -> dict[str, str]:
    """Real objects by the prefix of their ids, so that questions reach past the door."""
    customer, merchant = await door.customer(funds=100_000_000, account_class=3), await door.merchant()
    wallet, store = customer["wallets"][0]["id"], await door.store(merchant["id"])
    at_store = {"store": store["id"]}
    rung = await door.purchase(store["id"])
    paid = await door.post("/v1/payments", {"payer": wallet, "code": rung["code"], "check": "signed"})
    held = await door.purchase(store["id"], capture="later")
    waiting = await door.post("/v1/payments", {"payer": wallet, "code": held["code"], "check": "signed"})
    card = await door.card(customer["id"])
    made = [
        card,
        await door.post(f"/v1/cards/{card['id']}/tokens", {"count_max": 3}),
        customer,
        merchant,
        customer["wallets"][0],
        store,
        rung,
        waiting["payment"],
        await door.post("/v1/organisations", {"name": "第一小学"}),
        await door.post(f"/v1/customers/{customer['id']}/devices", {"wallet": wallet}),
        await door.post("/v1/cashiers", {**at_store, "name": "小李"}),
        await door.post("/v1/terminals", {**at_store, "label": "前台"}),
        await door.post("/v1/codes", {**at_store, "currency": "CNY"}),
        await door.post("/v1/keys", {"name": "spare", "scopes": ["payments:read"]}),
        await door.post(f"/v1/payments/{paid['payment']['id']}/refunds", {"refund_no": "r-1", "amount": 100}),
        (await door.get(f"/v1/merchants/{merchant['id']}/contracts"))["data"][0],
        (await door.get("/v1/events?limit=1"))["data"][0],
        (await door.get("/v1/audit?limit=1"))["data"][0],
        (await door.get("/v1/ledger/accounts?limit=1"))["data"][0],
        (await door.get(f"/v1/wallets/{wallet}/entries?limit=1"))["data"][0],
    ]
    shown = await door.purchase(store["id"])
    return {each["id"][:3]: each["id"] for each in made} | {CODE: shown["code"]}


def with_real_ids(described: str, ids: dict[str, str]) -> Any:
    """The description with these ids in its examples."""
    described = described.replace(CODE, ids[CODE])
    return json.loads(re.sub(r"\b([a-z]{3})_[0-9a-f]{32}", lambda m: ids.get(m[1], m[0]), described))


def requests(described: Any) -> list[tuple[str, str, Any, Any]]:
    """Verb, path with its examples filled in, body and operation, of every route described."""
    found = []
    for path, item in described["paths"].items():
        for verb, operation in item.items():
            filled = path
            query = []
            for parameter in operation.get("parameters", []):
                if parameter.get("in") == "path":
                    filled = filled.replace(f"{{{parameter['name']}}}", parameter["example"])
                elif parameter.get("in") == "query" and parameter["required"]:
                    value = example(parameter["schema"] | {"type": "string"}, {}, parameter["name"])
                    value = {"amount": "100", "currency": "CNY"}.get(parameter["name"], value)
                    query.append(f"{parameter['name']}={value}")
            body = (
                operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
            )
            found.append(
                (verb.upper(), "?".join([filled, "&".join(query)] if query else [filled]), body, operation)
            )
    return found
