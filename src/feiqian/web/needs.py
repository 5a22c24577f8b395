"""Needs: what a route takes and gives, read off its types once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler
from litestar.params import BodyKwarg, ParameterKwarg


class Needs(msgspec.Struct, frozen=True):
    """What a route takes and gives. body: None for a route that takes none."""

    parameters: Mapping[str, tuple[Any, ParameterKwarg]]
    defaults: Mapping[str, Any]
    body: Any
    answer: Any

    @property
    def is_keyed(self) -> bool:
        """Whether it takes an Idempotency-Key."""
        return any(each.name == "Idempotency-Key" for _, each in self.parameters.values())


@cache
def needs_of(route: HTTPRouteHandler) -> Needs:
    """What a route takes and gives."""
    hints = get_type_hints(route.fn, include_extras=True)
    answer = hints.pop("return")
    if get_origin(answer) is Response:
        (answer,) = get_args(answer)
    parameters: dict[str, tuple[Any, ParameterKwarg]] = {}
    body = None
    for name, hint in hints.items():
        kind, *notes = get_args(hint) if hasattr(hint, "__metadata__") else (hint,)
        for note in notes:
            if isinstance(note, BodyKwarg):
                body = plain(hint)
            elif isinstance(note, ParameterKwarg):
                parameters[name] = (kind, note)
    signature = route.parsed_fn_signature.parameters
    defaults = {name: signature[name].default for name in parameters if signature[name].has_default}
    return Needs(parameters, defaults, body, plain(answer))


def plain(kind: Any) -> Any:
    """A type without the framework's notes, which msgspec does not know."""
    if not hasattr(kind, "__metadata__"):
        return kind
    inner, *notes = get_args(kind)
    for note in notes:
        if isinstance(note, msgspec.Meta):
            inner = Annotated[inner, note]
    return inner
