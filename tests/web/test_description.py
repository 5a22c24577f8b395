"""The description: sound OpenAPI 3.1, of exactly the routes that live, with examples that fit."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import validate

from feiqian.web.app import ROUTES
from tests.web.door import Door

pytestmark = pytest.mark.anyio

UNLISTED = {"/metrics", "/v1/openapi.json"}
"""Live and not described: figures for operators' own tools, and the description itself."""


@pytest.fixture(scope="module")
async def described(door: Door) -> Any:
    return await door.get("/v1/openapi.json", key="")


def operations(described: Any) -> list[tuple[str, str, Any]]:
    return [(path, verb, one) for path, item in described["paths"].items() for verb, one in item.items()]


async def test_it_is_sound(described: Any) -> None:
    validate(described)


async def test_it_names_every_live_route_and_no_other(door: Door, described: Any) -> None:
    live = {
        (path.path_format.replace(":str}", "}"), verb.lower())
        for path in door.app.inner.routes
        for verb in path.methods
        if verb not in ("OPTIONS", "HEAD")
    }
    told = {(path, verb) for path, verb, _ in operations(described)}
    assert {(path, verb) for path, verb in live if path not in UNLISTED} == told
    assert {path for path, _ in live} >= UNLISTED


async def test_every_example_fits_its_schema(described: Any) -> None:
    def check(content: Any, where: str) -> None:
        schema = content["schema"] | {"components": described["components"]}
        jsonschema.Draft202012Validator(schema).validate(content["example"])
        assert "text" not in str(content["example"]).split("'"), (where, content["example"])

    for path, verb, operation in operations(described):
        where = f"{verb} {path}"
        if "requestBody" in operation:
            check(operation["requestBody"]["content"]["application/json"], where)
        for status, answer in operation["responses"].items():
            if status < "300":
                check(answer["content"]["application/json"], where)
    problem = {"$ref": "#/components/schemas/Problem", "components": described["components"]}
    for example in described["components"]["examples"].values():
        jsonschema.Draft202012Validator(problem).validate(example["value"])


async def test_it_reads_like_sentences(described: Any) -> None:
    for path, verb, operation in operations(described):
        assert " " in operation["summary"], (path, verb)
        assert operation["summary"][0].isupper()
        assert len(operation["description"]) > len(operation["summary"])
        for status, answer in operation["responses"].items():
            assert "URL follows" not in answer["description"]
            assert {"Request-Id", "API-Version"} <= set(answer["headers"]), (path, verb, status)


async def test_every_route_says_who_may_use_it() -> None:
    for route in ROUTES:
        assert route.opt.get("public") or route.opt.get("scope"), route
