"""The witness: sees every answer before it leaves, and tells the audit log of refusals and reads.

A read of identity data, or an act that no turn carried out, is on disk before its answer leaves. Failed
accesses and refused acts are written within a second; when the log is so far behind that it has no room,
the answer is 503 instead, and nothing was shown. All other answers pass untouched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Request
from litestar.enums import ScopeType
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from feiqian.access import ApiKey
from feiqian.access.key import PREFIX
from feiqian.kernel.audit import Note
from feiqian.kernel.audit.entry import DONE
from feiqian.kernel.book import Book
from feiqian.kernel.errors import FeiqianError
from feiqian.web.audited import ACTS, APART, READS
from feiqian.web.caller import acting
from feiqian.web.house import House
from feiqian.web.problem import MEDIA_TYPE, asker_of, encode, problem

FAILED = "access.failed"
_TURNED_AWAY = (401, 403, 404)
# The request could not be read, so nothing was tried.
_UNREAD = (400, 405, 413, 415)
_ID = re.compile(r"[a-z]{3}_[0-9a-f]{32}\Z")


class _Said(msgspec.Struct):
    """What an answer says: the code of a problem, the id of an object, or those of a list."""

    code: str = ""
    id: str = ""
    data: list[_Said] = []


_READ = msgspec.json.Decoder(_Said)


def _said(body: bytes) -> _Said:
    try:
        return _READ.decode(body)
    except msgspec.MsgspecError:
        return _Said()  # no JSON of ours: the route, the caller and the time are known all the same


class Witness:
    """Stands between the routes and whoever asks."""

    def __init__(self, inner: ASGIApp, house: House, routes: Sequence[HTTPRouteHandler]) -> None:
        self._inner = inner
        self._house = house
        self._verbs: dict[tuple[str, str], tuple[str, bool]] = {}
        for route in routes:
            if route.opt.get("public"):
                continue
            name = route.fn.__name__
            verb = ACTS.get(name) or APART.get(name) or READS.get(name) or FAILED
            for path in route.paths:
                for method in route.http_methods:
                    self._verbs[str(method), path.replace(":str}", "}")] = (
                        verb,
                        name in READS or name in APART,
                    )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, holding the answer back while it is written down."""
        if scope["type"] != ScopeType.HTTP:
            await self._inner(scope, receive, send)
            return
        start: Message | None = None
        parts: list[bytes] = []

        async def watch(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and self._concerns(scope, message["status"]):
                start = message
                return
            if start is None:
                await send(message)
                return
            if message["type"] == "http.response.body":
                parts.append(message["body"])
                if message["more_body"]:
                    return
                begun, body = await self._witnessed(scope, start, b"".join(parts))
                await send(begun)
                await send({"type": "http.response.body", "body": body, "more_body": False})

        await self._inner(scope, receive, watch)

    def _concerns(self, scope: HTTPScope, status: int) -> bool:
        if status in _UNREAD or status >= 500:
            return False
        verb, comes_first = self._verb(scope)
        if status < 400:
            return comes_first
        return verb != "" and (verb != FAILED or status in _TURNED_AWAY)

    def _verb(self, scope: HTTPScope) -> tuple[str, bool]:
        return self._verbs.get((scope["method"], scope.get("path_template") or ""), ("", False))

    async def _witnessed(self, scope: HTTPScope, start: Any, body: bytes) -> tuple[Any, bytes]:
        """The answer, once it is written down or sure to be; a refusal when it cannot be."""
        try:
            await self._write(scope, start["status"], _said(body))
        except FeiqianError as error:
            refusal = encode(problem(error, asker_of(Request(scope))))
            headers = [
                (b"content-type", MEDIA_TYPE.encode()),
                (b"content-length", str(len(refusal)).encode()),
                (b"retry-after", b"1"),
            ]
            return {"type": "http.response.start", "status": error.status, "headers": headers}, refusal
        return start, body

    async def _write(self, scope: HTTPScope, status: int, said: _Said) -> None:
        verb, _ = self._verb(scope)
        named = [text for text in scope.get("path_params", {}).values() if _ID.match(str(text))]
        if status < 400:
            shown = [one.id for one in said.data] or ([said.id] if said.id else [])
            objects = tuple(dict.fromkeys([*named, *shown]))
            book = self._books(scope)[0]
            await self._house.recorders[book.name].now(self._note(scope, book, verb, objects, DONE))
            return
        for book in self._books(scope):
            note = self._note(scope, book, verb, tuple(named), said.code or str(status))
            self._house.recorders[book.name].soon(note)

    def _note(self, scope: HTTPScope, book: Book, verb: str, objects: tuple[str, ...], result: str) -> Note:
        facts = {"method": scope["method"], "route": scope.get("path_template")} if verb == FAILED else {}
        return Note(acting(scope), verb, objects, book.clock.now(), result, facts)

    def _books(self, scope: HTTPScope) -> list[Book]:
        """The book of the key that asks. Without one, each book it may have been meant for: those of the
        kind that the secret is written for, or all."""
        books = list(self._house.books.values())
        key: ApiKey | None = scope["state"].get("key")
        if key is not None:
            return [self._house.books[scope["state"]["book"].name]]
        shown = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
        meant = [book for book in books if PREFIX[book.kind] in shown]
        return meant or books
