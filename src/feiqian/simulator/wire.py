"""Wire: HTTP/1.1 over a few kept connections, no more than a till needs; and it can hang up in mid-air."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

import msgspec

_CUT = (ConnectionError, asyncio.IncompleteReadError)


@dataclass(frozen=True)
class Reply:
    """An answer. body: decoded JSON. is_replayed: the server says it answered this before."""

    status: int
    body: Any
    is_replayed: bool
    raw: bytes = field(repr=False)

    @property
    def is_ok(self) -> bool:
        """Carried out."""
        return self.status < 400

    @property
    def code(self) -> str:
        """Why not, when refused."""
        return "" if self.is_ok else str(self.body.get("code", "?"))


class Wire:
    """Asks one server. times: seconds each answer took."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.times: list[float] = []

    async def ask(
        self, method: str, path: str, secret: str, body: Any = None, once: str | None = None
    ) -> Reply:
        """Send a request and wait for its answer. once: the Idempotency-Key."""
        request = self._request(method, path, secret, body, once)
        started = perf_counter()
        while True:
            kept = bool(self._idle)
            reader, writer = self._idle.pop() if kept else await self._connect()
            try:
                writer.write(request)
                reply = await _read(reader)
            except _CUT:
                writer.close()
                # A server may close a connection that has been idle; on a new one it is a failure.
                if not kept:
                    raise
                continue
            self.times.append(perf_counter() - started)
            self._idle.append((reader, writer))
            return reply

    async def hang_up(self, method: str, path: str, secret: str, body: Any, once: str) -> None:
        """Send a request and cut the connection before the answer can come."""
        _, writer = await self._connect()
        writer.write(self._request(method, path, secret, body, once))
        await writer.drain()
        writer.close()

    async def close(self) -> None:
        """Let all connections go."""
        for _, writer in self._idle:
            writer.close()
        self._idle.clear()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self._host, self._port)

    def _request(self, method: str, path: str, secret: str, body: Any, once: str | None) -> bytes:
        content = b"" if body is None else msgspec.json.encode(body)
        lines = [
            f"{method} {path} HTTP/1.1",
            f"host: {self._host}:{self._port}",
            f"authorization: Bearer {secret}",
            f"content-length: {len(content)}",
        ]
        if body is not None:
            lines.append("content-type: application/json")
        if once is not None:
            lines.append(f"idempotency-key: {once}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + content


async def _read(reader: asyncio.StreamReader) -> Reply:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
    raw = await reader.readexactly(int(fields.get("content-length", "0")))
    body = msgspec.json.decode(raw) if raw else None
    return Reply(int(head[0].split()[1]), body, fields.get("idempotent-replayed") == "true", raw)
