"""Errors: the catalogue that the `type` of every problem leads to."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from litestar import get
from msgspec import Meta

from feiqian.kernel.errors import family
from feiqian.web.api.shapes import Page


class ErrorView(msgspec.Struct, frozen=True):
    """One kind of error. retryable: the same request may succeed a little later."""

    code: Annotated[str, Meta(examples=["over_limit"])]
    object: Literal["error"]
    status: Annotated[int, Meta(examples=[422])]
    message_en: Annotated[str, Meta(examples=["This is above a limit."])]
    message_zh: Annotated[str, Meta(examples=["超过限额。"])]
    retryable: Annotated[bool, Meta(examples=[False])]


@get("/v1/errors", opt={"public": True, "steady": True}, tags=["errors"])
async def list_errors() -> Page[ErrorView]:
    """List every error there is, by code, with what it means and what to do about it."""
    kinds = sorted(family(), key=lambda kind: kind.code)
    views = [
        ErrorView(kind.code, "error", kind.status, kind.text("en"), kind.text("zh"), kind.retryable)
        for kind in kinds
    ]
    return Page(views, False)


ROUTES = [list_errors]
