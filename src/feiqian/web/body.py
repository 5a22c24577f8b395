"""Bodies: sound JSON or a clear no, before any route looks at it.

What a lenient parser lets pass is where two systems read one request differently: a key twice, a
number that is not whole, text that cannot be stored. Size and depth are bounded.
"""

from __future__ import annotations

import json
import re
from typing import Any

from litestar import Request

from feiqian.kernel.errors import Malformed
from feiqian.web.problem import UnsupportedMediaType

DEPTH_MAX = 16
# Control characters but tab and line breaks, lone surrogates, and marks that turn text around.
_UNWELCOME = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


async def check_body(request: Request[Any, Any, Any]) -> None:
    """Pass, or raise Malformed with the reason. Bodies other than JSON are not for us."""
    raw = await request.body()
    if not raw:
        return
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedMediaType()
    try:
        parsed = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_once, parse_float=_no_float, parse_constant=_no_float
        )
        _check(parsed, DEPTH_MAX)
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
        if _UNWELCOME.search(value):
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
