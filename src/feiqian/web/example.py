"""Examples: one believable value for every field, so that no body and no answer goes without one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from feiqian.kernel.errors import FeiqianError
from feiqian.web.problem import CATALOGUE

_HEX = "01932c5e8f4a7b3c9d2e1f0a5b6c7d8e"

_PREFIX = {
    "account": "acc",
    "audit_entry": "aud",
    "card": "crd",
    "card_token": "tok",
    "cards": "crd",
    "cashier": "csh",
    "code": "cod",
    "contract": "ctr",
    "customer": "cus",
    "device": "dev",
    "entry": "trf",
    "event": "evt",
    "key": "key",
    "merchant": "mch",
    "organisation": "org",
    "payee": "pye",
    "payer": "wal",
    "payment": "pay",
    "principal": "prn",
    "purchase": "pur",
    "refund": "rfd",
    "store": "sto",
    "terminal": "ter",
    "transfer": "trf",
    "wallet": "wal",
}

_BY_NAME: dict[str, Any] = {
    "actor": f"key_{_HEX}",
    "alias": "314159265",
    "amount": 4860,
    "at": "2026-11-02T00:00:00Z",
    "begins_on": "2026-11-02",
    "bin": "622202",
    "book": "town",
    "booked_at": "2026-11-02T00:00:00Z",
    "business_date": "2026-11-02",
    "cap": 5_000,
    "city": "成都",
    "code": "00020101021229300012org.feiqian010a1b2c3d4e5f6a7b85204581253031565802CN6304A13C",
    "country": "CN",
    "created_at": "2026-11-02T00:00:00Z",
    "credit": f"acc_{_HEX}",
    "currency": "CNY",
    "debit": f"acc_{_HEX}",
    "description": "豆花两份",
    "digits": 19,
    "ends_on": "2027-11-01",
    "expires": "2030-09",
    "expires_at": "2026-11-02T00:10:00Z",
    "expiry_month": 9,
    "expiry_year": 2030,
    "hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "head": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "hold_seconds": 86_400,
    "holder_name": "李明",
    "issuer": "中国工商银行",
    "kind": "shop",
    "label": "前台 1",
    "last_four": "0128",
    "limit": 20,
    "mcc": "5812",
    "merchant_name": "豆花店",
    "merchant_order_no": "20261102-0001",
    "metadata": {"table": "7"},
    "most": 50_000,
    "movement": "price",
    "name": "豆花店",
    "name_masked": "*小明",
    "note": "午饭",
    "number": "6222021234567890128",
    "now": "2026-11-02T00:00:00Z",
    "objects": f"wal_{_HEX}",
    "open_seconds": 600,
    "overlap_seconds": 3_600,
    "owner": f"cus_{_HEX}",
    "peer": "192.0.2.1",
    "phone": "+8613800138000",
    "prefix": "86",
    "rate_bps": 38,
    "reason": "退货",
    "reference": "crm-4711",
    "refund_no": "R-1",
    "request": f"req_{_HEX}",
    "result": "done",
    "scale": 2,
    "scopes": "payments:read",
    "seconds": 86_400,
    "secret": "x" * 43,
    "source": f"wal_{_HEX}",
    "step": "captured",
    "step_seconds": 30,
    "store_name": "一号店",
    "state": "captured",
    "subject": f"pay_{_HEX}",
    "tail": "a1B2",
    "target": f"wal_{_HEX}",
    "type": "payment.captured",
    "unit": "CNY",
    "verb": "wallet.frozen",
    "why": "price",
}

_MINOR = {"fee": 19, "net": 4841, "held": 0, "refunded": 0, "returned": 0}
"""Sums beside an amount of 4860, by the name of the field."""

_USUAL = ("active", "paid", "now", "moved", "amount", "day")
"""What to pick where there is a choice."""

_NONE = {"refusal", "hold_until", "locked_until", "ends_at", "pending"}
"""What is mostly not there."""

_EMPTY = {"faults", "errors", "waivers"}

_LEFT_OUT = {"payment_code", "terminal", "cashier", "hold_seconds", "open_seconds"}
"""Fields of a body that say something special, and that an ordinary request goes without."""


def example(schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str = "", owner: str = "") -> Any:
    """A value that fits a schema. name: the field's; owner: the kind of object it stands in."""
    if "$ref" in schema:
        if name in _MINOR and schema["$ref"].endswith("/Money"):
            return {"amount": _MINOR[name], "currency": "CNY"}
        return example(schemas[schema["$ref"].rsplit("/", 1)[-1]], schemas, name, owner)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        usual = [each for each in _USUAL if each in schema["enum"]]
        return schema.get("default", (usual or schema["enum"])[0])
    if "anyOf" in schema:
        if name in _NONE:
            return None
        return example(schema["anyOf"][0], schemas, name, owner)
    kind = schema.get("type")
    if "examples" in schema:
        return schema["examples"][0]
    if kind == "object" and "properties" in schema:
        return _object(schema, schemas)
    if kind == "array" and name in _EMPTY:
        return []
    if kind == "array":
        return [example(schema["items"], schemas, name, owner)] if "items" in schema else []
    if name in _BY_NAME and _fits(_BY_NAME[name], schema):
        return _BY_NAME[name]
    return _plain(schema, name, owner)


def _object(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    properties = schema["properties"]
    told = properties.get("object", {})
    owner = str(told.get("const") or (told.get("enum") or [""])[0])
    is_body = schema.get("additionalProperties") is False
    return {
        field: example(inner, schemas, field, owner)
        for field, inner in properties.items()
        if not (is_body and field in _LEFT_OUT)
    }


def _plain(schema: Mapping[str, Any], name: str, owner: str) -> Any:
    kind = schema.get("type")
    if kind == "string":
        if schema.get("format") == "date-time":
            return "2026-11-02T00:00:00Z"
        if schema.get("format") == "date":
            return "2026-11-02"
        about = owner if name == "id" else name.removesuffix("_id")
        if about == "payee" and owner:
            about = "wallet"
        return f"{_PREFIX[about]}_{_HEX}" if about in _PREFIX else "text"
    if kind == "integer":
        return schema.get("minimum", 0)
    if kind == "boolean":
        return name != "has_more"
    return {"payment": {"id": f"pay_{_HEX}", "state": "captured"}} if name == "data" else {}


def _fits(value: Any, schema: Mapping[str, Any]) -> bool:
    kinds = {"string": str, "integer": int, "object": dict}
    return isinstance(value, kinds.get(str(schema.get("type")), ()))


def problem_example(error: type[FeiqianError]) -> dict[str, Any]:
    """What a refusal of this kind looks like."""
    return {
        "type": CATALOGUE + error.code,
        "title": error.text("en"),
        "status": error.status,
        "detail": error.text("en"),
        "code": error.code,
        "message_en": error.text("en"),
        "message_zh": error.text("zh"),
        "retryable": error.retryable,
        "request_id": f"req_{_HEX}",
        "param": None,
        "payment": None,
        "facts": {},
        "errors": [],
    }
