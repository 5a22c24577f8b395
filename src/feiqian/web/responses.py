"""The refusals that every route can answer with, for the API description."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec

from feiqian.web.problem import MEDIA_TYPE, Problem

_EVERYWHERE = {
    400: "The request cannot be read.",
    405: "Not this method.",
    503: "Ask again shortly.",
}
_WITH_KEY = {401: "No key, or not a good one.", 403: "The key may not do this."}
_WITH_ID = {404: "Nothing there, or not yours to see."}
_WITH_BODY = {
    404: "Something named in the body is not there, or not yours to see.",
    409: "What is there already does not allow this.",
    410: "A code that was good once.",
    413: "The body is too large.",
    415: "Bodies are JSON.",
    422: "Refused; `code` says why.",
}


def document(routes: Sequence[Any]) -> None:
    """Add to each route the problems it may answer with."""
    for route in routes:
        if isinstance(route, HTTPRouteHandler) and route.include_in_schema is not False:
            known = dict(route.responses or {})
            for status, text in _problems(route).items():
                known.setdefault(
                    status,
                    ResponseSpec(Problem, description=text, media_type=MEDIA_TYPE, generate_examples=False),
                )
            route.responses = known


def _problems(route: HTTPRouteHandler) -> dict[int, str]:
    texts = dict(_EVERYWHERE)
    if not route.opt.get("public"):
        texts |= _WITH_KEY
    if any("{" in path for path in route.paths) or "GET" in route.http_methods:
        texts |= _WITH_ID
    if "GET" not in route.http_methods:
        texts |= _WITH_BODY
    return texts
