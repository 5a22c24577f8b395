"""Health: is the process alive, can it serve, what does it measure; and who am I."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from litestar import Request, Response, get

from feiqian.access import ApiKey
from feiqian.kernel import metrics
from feiqian.kernel.errors import Unavailable
from feiqian.kernel.ids import show
from feiqian.web.caller import book_of, key_of
from feiqian.web.house import House


class Health(msgspec.Struct, frozen=True):
    """All is well."""

    status: Literal["ok"] = "ok"


class Me(msgspec.Struct, frozen=True):
    """The key that asks, and the book it belongs to. merchant: set when it sees only that merchant's."""

    key: str
    book: str
    mode: Literal["live", "test"]
    scopes: list[str]
    merchant: str | None
    now: str
    business_date: str


@get("/healthz", opt={"public": True, "steady": True}, tags=["health"])
async def alive() -> Health:
    """Say that the process is alive, whatever it depends on."""
    return Health()


@get("/readyz", opt={"public": True}, tags=["health"])
async def ready(request: Request[Any, Any, Any]) -> Health:
    """Say that the service can take requests: every book's database answers."""
    house: House = request.app.state.house
    for book in house.books.values():
        async with book.database.read() as connection:
            if await connection.fetchval("select count(*) from book_turn") != 1:
                raise Unavailable()
    return Health()


@get("/metrics", opt={"scope": "metrics:read"}, include_in_schema=False)
async def read_metrics() -> Response[bytes]:
    """Metrics in Prometheus' text format."""
    return Response(metrics.render(), media_type=metrics.CONTENT_TYPE)


@get("/v1/me", opt={"scope": "payments:read"}, tags=["health"])
async def who_am_i(request: Request[Any, Any, Any]) -> Me:
    """Say which key this is, what it may do, and what time it is in its book."""
    book, key = book_of(request), key_of(request)
    now = book.clock.now()
    return Me(
        key=show("key", key.id),
        book=book.name,
        mode="live" if book.kind == "live" else "test",
        scopes=list(key.scopes),
        merchant=_merchant(key),
        now=now.isoformat(),
        business_date=book.calendar.business_day(now).isoformat(),
    )


def _merchant(key: ApiKey) -> str | None:
    return None if key.merchant is None else show("mch", key.merchant)


ROUTES = [alive, ready, read_metrics, who_am_i]
