"""Wire: HTTP by hand, because what matters here is what a client library hides: which answers came."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec

ANSWER_SECONDS_MAX = 30.0


@dataclass(frozen=True)
class Answer:
    """What came back, whole."""

    status: int
    headers: dict[str, str]
    raw: bytes = field(repr=False)

    @property
    def body(self) -> Any:
        """The JSON in it."""
        return msgspec.json.decode(self.raw)

    @property
    def is_ok(self) -> bool:
        return self.status < 400

    @property
    def is_replayed(self) -> bool:
        """Whether the server says that it had answered this before."""
        return self.headers.get("idempotent-replayed") == "true"

    @property
    def code(self) -> str:
        """Why not; empty when all went well."""
        return "" if self.is_ok else str(self.body["code"])


class Wire:
    """One connection, made when needed. address: asked before each connect, for servers move."""

    def __init__(self, address: Any, secret: str = "") -> None:
        self._address = address
        self._secret = secret
        self.sent = False  # whether the last request left us whole
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, method: str, path: str, body: Any = None, key: str | None = None) -> None:
        """Send a request and do not wait. Raises: OSError when nobody listens."""
        self.sent = False
        if self._streams is None:
            parts = urlsplit(self._address())
            self._streams = await asyncio.open_connection(parts.hostname, parts.port)
        content = b"" if body is None else msgspec.json.encode(body)
        lines = [f"{method} {path} HTTP/1.1", "host: test", f"content-length: {len(content)}"]
        if self._secret:
            lines.append(f"authorization: Bearer {self._secret}")
        if body is not None:
            lines.append("content-type: application/json")
        if key is not None:
            lines.append(f"idempotency-key: {key}")
        self._streams[1].write(("\r\n".join(lines) + "\r\n\r\n").encode() + content)
        await self._streams[1].drain()
        self.sent = True

    async def receive(self) -> Answer:
        """The answer to what was sent. Raises: OSError, EOFError or TimeoutError when none comes."""
        assert self._streams is not None
        reader = self._streams[0]
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {}
            for line in head[1:]:
                name, _, value = line.partition(": ")
                headers[name.lower()] = value
            raw = await reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(int(head[0].split()[1]), headers, raw)

    async def ask(self, method: str, path: str, body: Any = None, key: str | None = None) -> Answer | None:
        """Send and receive once. -> None when no answer came."""
        try:
            await self.send(method, path, body, key)
            return await self.receive()
        except (OSError, EOFError, TimeoutError):
            self.hang_up()
            return None

    def hang_up(self) -> None:
        """Let the connection go."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
