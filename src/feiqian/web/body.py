"""Bodies: sound JSON or a clear no, before any route looks at it.

What a lenient parser lets pass is where two systems read one request differently: a key twice, a
number that is not whole, text that cannot be stored. Size and depth are bounded.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
from litestar import Request

from feiqian.kernel.errors import Malformed
from feiqian.web.needs import needs_of
from feiqian.web.no_cards import check_no_cards
from feiqian.web.problem import UnsupportedMediaType

DEPTH_MAX = 16
# Control characters but tab and line breaks, lone surrogates, and marks that turn text around.
UNWELCOME = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


class SoundRequest(Request[Any, Any, Any]):
    """A request whose body is what check_body made of it."""

    async def json(self) -> Any:
        """The body as the type its route asks for."""
        return self.scope["state"]["body"]


async def check_body(request: Request[Any, Any, Any]) -> None:
    """Read the body as the type its route asks for, or raise Malformed with the reason.

    The framework would take "5" for 5 and "true" for a yes; here a type is what it says. Bodies other
    than JSON are not for us, and a body that no route looks at must be sound all the same.
    """
    _check_query(request)
    raw = await request.body()
    parsed = _parse(request, raw) if raw else None
    asked = needs_of(request.route_handler).body
    check_no_cards(request, parsed)
    if asked is not None:
        request.scope["state"]["body"] = _convert(parsed, asked)


def _check_query(request: Request[Any, Any, Any]) -> None:
    """Of parameters in the address the same is asked: each once, and nothing hidden in it."""
    seen = set()
    for name, value in request.query_params.multi_items():
        if name in seen:
            raise Malformed(name[:64], reason="named twice")
        seen.add(name)
        if UNWELCOME.search(f"{name}{value}"):
            raise Malformed(reason="text holds a control character")


def _convert(parsed: Any, asked: Any) -> Any:
    try:
        return msgspec.convert(parsed, asked)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at `$")
        param = where.rstrip("`").replace("[...]", "").strip(".")
        raise Malformed(param or None, reason=reason[:200]) from None


def _parse(request: Request[Any, Any, Any], raw: bytes) -> Any:
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedMediaType()
    try:
        parsed = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_once, parse_float=_no_float, parse_constant=_no_float
        )
        _check(parsed, DEPTH_MAX)
        return parsed
    except Malformed:
        raise
    except (ValueError, RecursionError):
        # UnicodeDecodeError and JSONDecodeError are ValueErrors; so is an int of 5,000 digits.
        raise Malformed(reason="not JSON in UTF-8") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed(reason="a key appears twice")
    return found


def _no_float(text: str) -> Any:
    raise Malformed(reason="numbers are whole; amounts are integers in minor units")


def _check(value: Any, depth: int) -> None:
    if isinstance(value, str):
        if UNWELCOME.search(value):
            raise Malformed(reason="text holds a control character")
    elif isinstance(value, (dict, list)):
        if depth == 0:
            raise Malformed(reason=f"nested deeper than {DEPTH_MAX}")
        if isinstance(value, dict):
            for key in value:
                _check(key, depth)
            value = value.values()
        for each in value:
            _check(each, depth - 1)
