"""The app: routes, and what every request passes on its way in and out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import cache
from time import perf_counter
from typing import Any

import msgspec
from litestar import Litestar, Response, get
from litestar.enums import ScopeType
from litestar.types import HTTPScope, Message, Receive, Scope, Send

from feiqian.kernel import metrics
from feiqian.kernel.ids import new_id, show
from feiqian.kernel.logs import logger, request
from feiqian.web.api import (
    audit,
    cards,
    clock,
    customers,
    devices,
    errors,
    events,
    health,
    keys,
    ledger,
    merchants,
    payments,
    shop,
    stores,
    transfers,
    wallets,
)
from feiqian.web.body import SoundRequest, check_body
from feiqian.web.caller import VERSIONS, guard
from feiqian.web.description import describe
from feiqian.web.house import House
from feiqian.web.problem import on_error
from feiqian.web.witness import Witness

log = logger("web")

ROUTES = [
    route
    for part in (
        health,
        customers,
        wallets,
        devices,
        cards,
        merchants,
        stores,
        shop,
        payments,
        transfers,
        events,
        ledger,
        keys,
        clock,
        audit,
        errors,
    )
    for route in part.ROUTES
]


@get("/v1/openapi.json", opt={"public": True}, include_in_schema=False)
async def read_description() -> Response[bytes]:
    """The description of all this, as OpenAPI 3.1."""
    return Response(_description(), media_type="application/json")


@cache
def _description() -> bytes:
    return msgspec.json.encode(describe(ROUTES))


class App:
    """The ASGI application: Litestar, and around it a request id, the time taken, a line in the log."""

    def __init__(self, inner: Litestar, witness: Witness, access_log: bool) -> None:
        self.inner = inner
        self._witness = witness
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] != ScopeType.HTTP:
            await self.inner(scope, receive, send)
            return
        id = show("req", new_id())
        started, status = perf_counter(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_headers(scope, id)]
            await send(message)

        with request(id):
            try:
                await self._witness(scope, receive, answer)
            finally:
                self._note(scope, status, perf_counter() - started)

    def _note(self, scope: HTTPScope, status: int, took: float) -> None:
        route = str(scope.get("path_template") or "unknown")
        metrics.http_request(route, status, took)
        if self._access_log:
            milliseconds = round(took * 1000, 1)
            log.info("request", method=scope["method"], route=route, status=status, milliseconds=milliseconds)


def _headers(scope: HTTPScope, id: str) -> list[tuple[bytes, bytes]]:
    version = scope.get("state", {}).get("version", VERSIONS[-1])
    return [
        (b"request-id", id.encode()),
        (b"api-version", version.isoformat().encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
    ]


def create_app(
    house: House,
    *,
    body_bytes_max: int = 65_536,
    access_log: bool = True,
    tasks: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
) -> App:
    """The application over a house. tasks: what runs beside it as long as it does, such as the jobs."""

    @asynccontextmanager
    async def living(app: Litestar) -> AsyncIterator[None]:
        await house.open()
        running = [asyncio.create_task(task()) for task in tasks]
        yield
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await house.close()

    inner = Litestar(
        route_handlers=[*ROUTES, read_description],
        guards=[guard],
        request_class=SoundRequest,
        before_request=check_body,
        exception_handlers={Exception: on_error},
        request_max_body_size=body_bytes_max,
        openapi_config=None,
        lifespan=[living],
        logging_config=None,
    )
    inner.state.house = house
    return App(inner, Witness(inner, house, ROUTES), access_log)
