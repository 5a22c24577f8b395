"""Who asks, and may they: keys are checked for every route that does not say it is public."""

from __future__ import annotations

from datetime import date
from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from feiqian.access import ApiKey, Unauthenticated, allow
from feiqian.kernel.book import Book
from feiqian.kernel.errors import Broken, Malformed
from feiqian.web.house import House

VERSIONS = (date(2026, 11, 1),)
"""Dated API versions, newest last; a key is pinned to the one it was made under."""


class UnknownVersion(Malformed):
    """There is no such API version. Leave the header out, or name one from the changelog."""

    code, zh = "unknown_version", "没有这个 API 版本，请去掉该请求头或使用更新日志中的版本。"


async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let a request through to its route when its key allows the route's scope.

    A route says `opt={"scope": …}` or `opt={"public": True}`; one that says neither answers nobody.
    Raises: Unauthenticated, Forbidden, UnknownVersion.
    """
    if handler.opt.get("public"):
        return
    scope = handler.opt.get("scope")
    if scope is None:
        raise Broken(route=str(handler), unclassed=True)
    house: House = connection.app.state.house
    secret = _bearer(connection)
    if secret is None:
        raise Unauthenticated()
    book, key = await house.who(secret)
    allow(key, scope)
    state = connection.scope["state"]
    state["book"], state["key"] = book, key
    state["version"] = _version(connection, key)


def _bearer(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    scheme, _, secret = connection.headers.get("authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else None


def _version(connection: ASGIConnection[Any, Any, Any, Any], key: ApiKey) -> date:
    asked = connection.headers.get("api-version")
    if asked is None:
        return key.version
    for version in VERSIONS:
        if asked == version.isoformat():
            return version
    raise UnknownVersion("API-Version")


def book_of(request: Request[Any, Any, Any]) -> Book:
    """The book the key belongs to."""
    book: Book = request.scope["state"]["book"]
    return book


def key_of(request: Request[Any, Any, Any]) -> ApiKey:
    """The key that asks."""
    key: ApiKey = request.scope["state"]["key"]
    return key
