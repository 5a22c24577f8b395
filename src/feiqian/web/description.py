"""The description: OpenAPI 3.1, written from the routes themselves.

What a route takes and gives is read from its types, what it says from its docstring, and which problems
it may answer with from what it needs (a key, a body, an id) and from `opt={"refuses": …}`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.params import HeaderParameter, ParameterKwarg, PathParameter

from feiqian import __version__
from feiqian.access import Forbidden, Unauthenticated
from feiqian.kernel.errors import FeiqianError, Malformed, NotFound, Unavailable
from feiqian.vault.finder import CardNumberRefused, CardSecretRefused
from feiqian.web.api.shapes import NotYet, OneWay
from feiqian.web.caller import VERSIONS, UnknownVersion, scopes_of
from feiqian.web.example import example, problem_example
from feiqian.web.needs import needs_of
from feiqian.web.once import KeyReused
from feiqian.web.problem import MEDIA_TYPE, Problem, TooLarge, UnsupportedMediaType

_REF = "#/components/schemas/{name}"
# Parameters that name an object; who names one that is not there, or not theirs, hears 404.
_NAMING = {"starting_after", "ending_before", "after", "merchant", "store", "subject"}
_MOMENTS = {"at", "now", "hold_until", "locked_until"}

_ABOUT = """Mobile payments and embedded finance.

Money is `{"amount": 4860, "currency": "CNY"}`: whole minor units, so this is 48.60 yuan. Moments are
RFC 3339 in UTC, days are local to the book. Ids have a prefix that names the kind of object.
Lists come newest first; `starting_after` and `ending_before` turn pages while `has_more`.
Errors are RFC 9457 problems: `code` is for programs, `detail` for people, in the language asked for by
`Accept-Language` (`en` or `zh`). With an `Idempotency-Key` a request happens once, however often it is sent.
"""

_HEADERS: dict[str, Any] = {
    "Request-Id": {
        "description": "Names this request in our logs; tell it to support.",
        "schema": {"type": "string", "pattern": "^req_[0-9a-f]{32}$"},
    },
    "API-Version": {
        "description": "The version of behaviour that answered.",
        "schema": {"type": "string", "format": "date"},
    },
    "Idempotent-Replayed": {
        "description": "`true` when this is the stored answer to an earlier, identical request.",
        "schema": {"type": "string", "enum": ["true"]},
    },
}

_PARAMETERS: dict[str, Any] = {
    "API-Version": {
        "name": "API-Version",
        "in": "header",
        "required": False,
        "description": "The dated version to answer by; the one the key is pinned to when left out.",
        "schema": {"type": "string", "enum": [version.isoformat() for version in VERSIONS]},
    }
}


def describe(routes: Sequence[HTTPRouteHandler]) -> dict[str, Any]:
    """The description of these routes; those that say `include_in_schema=False` are left out."""
    shown = [route for route in routes if route.include_in_schema is not False]
    schemas = _schemas(shown)
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for route in shown:
        for path in route.paths:
            for method in sorted(route.http_methods - {"HEAD", "OPTIONS"}):
                paths[path.replace(":str}", "}")][method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "feiqian 飞钱",
            "version": VERSIONS[-1].isoformat(),
            "summary": f"The payment API, software {__version__}.",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This server."}],
        "security": [{"key": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(tag for route in shown for tag in route.tags or ())],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A secret key, `sk_live_…` or `sk_test_…`.",
                }
            },
            "headers": _HEADERS,
            "parameters": _PARAMETERS,
            "schemas": schemas,
            "examples": {
                each.code: {"summary": each.text("en"), "value": problem_example(each)}
                for each in sorted(_all_refusals(shown), key=lambda each: each.code)
            },
        },
    }


def refusals(route: HTTPRouteHandler) -> list[type[FeiqianError]]:
    """Every problem a route may answer with, by status."""
    needs = needs_of(route)
    found: set[type[FeiqianError]] = {Unavailable, *route.opt.get("refuses", ())}
    if route.opt.get("steady"):
        found = set()
    if not route.opt.get("public"):
        found |= {Unauthenticated, Forbidden, UnknownVersion}
    if needs.parameters or needs.body is not None:
        found.add(Malformed)
    if any(
        isinstance(each, PathParameter) or name in _NAMING for name, (_, each) in needs.parameters.items()
    ):
        found.add(NotFound)
    if "ending_before" in needs.parameters:
        found.add(OneWay)
    if "at" in needs.parameters:
        found.add(NotYet)
    if needs.body is not None:
        found |= {TooLarge, UnsupportedMediaType, CardSecretRefused}
    if needs.body is not None or any(
        not isinstance(each, PathParameter) for _, each in needs.parameters.values()
    ):
        found.add(CardNumberRefused)
    if needs.is_keyed:
        found.add(KeyReused)
    return sorted(found, key=lambda each: (each.status, each.code))


def _schemas(routes: Iterable[HTTPRouteHandler]) -> dict[str, Any]:
    types = [
        each
        for route in routes
        for each in (needs_of(route).body, needs_of(route).answer)
        if each is not None
    ]
    _, found = msgspec.json.schema_components([*types, Problem], ref_template=_REF)
    for schema in found.values():
        if "description" in schema:
            schema["description"] = _folded(schema["description"])
        for name, field in schema.get("properties", {}).items():
            if name in _MOMENTS or name.endswith("_at"):
                for each in field.get("anyOf", [field]):
                    if each.get("type") == "string":
                        each["format"] = "date-time"
    return dict(sorted(found.items()))


def _schema_of(kind: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REF)
    return schema


def _operation(route: HTTPRouteHandler, schemas: Mapping[str, Any]) -> dict[str, Any]:
    needs = needs_of(route)
    name = route.fn.__name__.removesuffix("_route")
    text = _folded(route.fn.__doc__ or "")
    summary, _, _ = text.partition(".")
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "description": "\n\n".join([text, *_fine_print(route)]),
        "tags": list(route.tags or ()),
    }
    if route.opt.get("public"):
        operation["security"] = []
    parameters = [
        _parameter(name, kind, each, needs.defaults) for name, (kind, each) in needs.parameters.items()
    ]
    if not route.opt.get("public"):
        parameters.append({"$ref": "#/components/parameters/API-Version"})
    if parameters:
        operation["parameters"] = parameters
    if needs.body is not None:
        operation["requestBody"] = {"required": True, "content": _content(needs.body, schemas)}
    operation["responses"] = _responses(route, schemas)
    return operation


def _fine_print(route: HTTPRouteHandler) -> list[str]:
    if route.opt.get("public"):
        return ["Needs no key."]
    scopes = " or ".join(f"`{scope}`" for scope in scopes_of(route))
    closed = " Closed to keys bound to a merchant." if route.opt.get("operator") else ""
    return [f"Scope: {scopes}.{closed}"]


def _parameter(name: str, kind: Any, note: ParameterKwarg, defaults: Mapping[str, Any]) -> dict[str, Any]:
    optional = type(None) in get_args(kind)
    plain = next(each for each in get_args(kind) if each is not type(None)) if optional else kind
    bounds = {
        "minimum": note.ge,
        "maximum": note.le,
        "minLength": note.min_length,
        "maxLength": note.max_length,
        "pattern": note.pattern,
        "default": defaults.get(name),
    }
    schema = {
        "type": {str: "string", int: "integer"}[plain],
        **(note.schema_extra or {}),
        **{word: value for word, value in bounds.items() if value is not None},
    }
    where = (
        "path"
        if isinstance(note, PathParameter)
        else "header"
        if isinstance(note, HeaderParameter)
        else "query"
    )
    shown = {
        "name": note.name or name,
        "in": where,
        "required": where == "path" or name not in defaults,
        "schema": schema,
    }
    described = note.description or (f"The {name.removesuffix('_id')}'s id." if where == "path" else None)
    if described:
        shown["description"] = described
    if where == "path":
        shown["example"] = example({"type": "string"}, {}, name)
    return shown


def _content(kind: Any, schemas: Mapping[str, Any]) -> dict[str, Any]:
    schema = _schema_of(kind)
    return {"application/json": {"schema": schema, "example": example(schema, schemas)}}


def _responses(route: HTTPRouteHandler, schemas: Mapping[str, Any]) -> dict[str, Any]:
    needs = needs_of(route)
    common = {name: {"$ref": f"#/components/headers/{name}"} for name in ("Request-Id", "API-Version")}
    replayed = {"Idempotent-Replayed": {"$ref": "#/components/headers/Idempotent-Replayed"}}
    about = _folded(getattr(needs.answer, "__doc__", None) or "A list, newest first.").split(".")[0] + "."
    by_status: dict[int, list[type[FeiqianError]]] = defaultdict(list)
    for each in refusals(route):
        by_status[each.status].append(each)
    responses: dict[str, Any] = {
        str(route.status_code): {
            "description": about,
            "headers": common | (replayed if needs.is_keyed else {}),
            "content": _content(needs.answer, schemas),
        }
    }
    for status, kinds in sorted(by_status.items()):
        responses[str(status)] = {
            "description": "\n".join(f"- `{kind.code}`: {kind.text('en')}" for kind in kinds),
            "headers": common,
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": _REF.format(name="Problem")},
                    "examples": {kind.code: {"$ref": f"#/components/examples/{kind.code}"} for kind in kinds},
                }
            },
        }
    return responses


def _all_refusals(routes: Iterable[HTTPRouteHandler]) -> set[type[FeiqianError]]:
    return {each for route in routes for each in refusals(route)}


def _folded(text: str) -> str:
    """Paragraphs on one line each, as Markdown wants them."""
    return "\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n"))
