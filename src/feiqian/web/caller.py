"""Who asks, and may they: keys are checked for every route that does not say it is public."""

from __future__ import annotations

from datetime import date
from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.exceptions import MethodNotAllowedException
from litestar.handlers import BaseRouteHandler

from feiqian.access import ApiKey, Forbidden, Unauthenticated, allow
from feiqian.kernel.audit import NOBODY, Actor
from feiqian.kernel.book import Book
from feiqian.kernel.errors import Broken, Malformed
from feiqian.kernel.ids import show
from feiqian.kernel.logs import request_id
from feiqian.web.house import House

VERSIONS = (date(2026, 11, 1),)
"""Dated API versions, newest last; a key is pinned to the one it was made under."""


class UnknownVersion(Malformed):
    """There is no such API version. Leave the header out, or name one from the changelog."""

    code, zh = "unknown_version", "没有这个 API 版本，请去掉该请求头或使用更新日志中的版本。"


async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let a request through to its route when its key allows the route's scope.

    A route says `opt={"scope": …}` or `opt={"public": True}`; one that says neither answers nobody.
    Of several scopes one will do, and the route asks again once it knows which. `"operator": True`
    closes a route to keys bound to a merchant.
    Raises: Unauthenticated, Forbidden, UnknownVersion.
    """
    if connection.scope.get("method") == "OPTIONS":  # an answer of the framework's, not a route of ours
        here = [r for r in connection.app.routes if r.path_format == connection.scope.get("path_template")]
        raise MethodNotAllowedException(
            headers={"allow": ", ".join(method for route in here for method in route.methods)}
        )
    if handler.opt.get("public"):
        return
    if handler.opt.get("scope") is None:
        raise Broken(route=str(handler), unclassed=True)
    house: House = connection.app.state.house
    secret = _bearer(connection)
    if secret is None:
        raise Unauthenticated()
    book, key = await house.who(secret)
    state = connection.scope["state"]
    state["book"], state["key"] = book, key  # also for the audit log, should it be refused below
    _admit(key, handler)
    state["version"] = _version(connection, key)


def scopes_of(handler: BaseRouteHandler) -> tuple[str, ...]:
    """The scopes of which a key must have one to use this route."""
    scope = handler.opt["scope"]
    return (scope,) if isinstance(scope, str) else tuple(scope)


def _admit(key: ApiKey, handler: BaseRouteHandler) -> None:
    scopes = scopes_of(handler)
    if not set(scopes) & set(key.scopes):
        allow(key, scopes[0])
    if handler.opt.get("operator") and key.merchant is not None:
        raise Forbidden(reason="closed to keys bound to a merchant")


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
    """The book the key belongs to, in the caller's hands."""
    book: Book = request.scope["state"]["book"]
    return book.by(acting(request.scope))


def acting(scope: Any) -> Actor:
    """Who asks, as the audit log names them."""
    state, peer = scope["state"], scope.get("client")
    actor: Actor | None = state.get("actor")
    if actor is None:
        key: ApiKey | None = state.get("key")
        where = peer[0] if peer else None
        if key is None:
            return Actor(NOBODY.name, None, where, request_id.get())
        actor = Actor(show("key", key.id), key.principal, where, request_id.get())
        state["actor"] = actor
    return actor


def key_of(request: Request[Any, Any, Any]) -> ApiKey:
    """The key that asks."""
    key: ApiKey = request.scope["state"]["key"]
    return key
