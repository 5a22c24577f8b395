"""What every answer carries, errors and dead ends too; in both languages, and never a trace."""

from __future__ import annotations

import re
from typing import Any

import pytest

from feiqian.web.api import customers
from tests.web.door import Door

pytestmark = pytest.mark.anyio


async def test_every_answer_names_its_request(door: Door) -> None:
    seen = set()
    for verb, path, key, status in (
        ("GET", "/v1/me", None, 200),
        ("GET", "/healthz", "", 200),
        ("GET", "/v1/me", "", 401),
        ("GET", "/v1/nothing", None, 404),
        ("GET", "/", "", 404),
        ("GET", f"/v1/customers/cus_{'0' * 32}", None, 404),
        ("DELETE", "/v1/customers", None, 405),
        ("OPTIONS", "/v1/customers", None, 405),
        ("TRACE", "/v1/customers", None, 405),
        ("POST", "/v1/customers", None, 400),
    ):
        answer = await door.ask(verb, path, {"no": "name"} if status == 400 else None, key)
        assert answer.status_code == status, (verb, path, answer.text)
        id = answer.headers["request-id"]
        assert re.fullmatch("req_[0-9a-f]{32}", id)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers
        if status >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["request_id"] == id
        if status == 405:
            assert answer.headers["allow"] == "GET, POST"
        seen.add(id)
    assert len(seen) == 10


async def test_a_version_is_asked_for_by_date(door: Door) -> None:
    assert (await door.ask("GET", "/v1/me")).headers["api-version"] == "2026-11-01"
    assert (await door.ask("GET", "/v1/me", api_version="2026-11-01")).status_code == 200
    for wrong in ("2025-01-01", "1", "", "2026-11-01 "[:-1] + "x"):
        answer = await door.ask("GET", "/v1/me", api_version=wrong)
        assert (answer.status_code, answer.json()["code"]) == (400, "unknown_version")


async def test_problems_speak_english_and_chinese(door: Door) -> None:
    path = f"/v1/customers/cus_{'0' * 32}"
    for asked, tongue in (("zh-CN,zh;q=0.9", "zh"), ("en", "en"), ("", "en"), ("fr", "en"), ("ZH", "zh")):
        problem = (await door.ask("GET", path, accept_language=asked)).json()
        assert problem["detail"] == problem[f"message_{tongue}"]
        assert problem["message_en"] != problem["message_zh"]
        assert problem["type"].endswith("#not_found")


async def test_what_breaks_inside_stays_inside(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError("the secret is 4711")

    monkeypatch.setattr(customers, "find_party", broken)
    answer = await door.ask("GET", f"/v1/customers/cus_{'0' * 32}")
    assert (answer.status_code, answer.json()["code"]) == (500, "broken")
    assert "4711" not in answer.text
    assert "RuntimeError" not in answer.text


async def test_ids_of_another_kind_are_not_there(door: Door) -> None:
    customer = await door.customer()
    digits = customer["id"][4:]
    for path in (
        f"/v1/customers/{digits}",
        f"/v1/customers/org_{digits}",
        f"/v1/customers/cus_{digits.upper()}",
        f"/v1/customers/cus_{digits[:-1]}",
        f"/v1/customers/cus_{digits}0",
        f"/v1/customers/cus_{digits}%0A",
        f"/v1/organisations/org_{digits}",
        f"/v1/merchants/mch_{digits}",
        f"/v1/customers/cus_{digits}%00",
    ):
        assert (await door.ask("GET", path)).status_code == 404, path
