"""A lean HTTP/1.1 client for load: keep-alive connections that send prepared bytes and read whole answers.

A general client would cost more CPU than the server it measures, and both share two cores.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import cast


class Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Some of an answer; answers carry their length."""
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        start = head.lower().index(b"content-length:") + 15
        length = int(head[start : head.find(b"\r", start) if b"\r" in head[start:] else None])
        if len(rest) >= length and self._answer is not None:
            self._buffer = rest[length:]
            answer, self._answer = self._answer, None
            answer.set_result((int(head[9:12]), rest[:length]))

    def connection_lost(self, error: Exception | None) -> None:
        """The server went away."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError())

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request. -> status and body."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


async def connect(host: str, port: int, count: int) -> list[Connection]:
    """So many connections."""
    loop = asyncio.get_running_loop()
    return [(await loop.create_connection(Connection, host, port))[1] for _ in range(count)]


async def drive(
    connections: list[Connection], count: int, request: Callable[[int], bytes], wanted: int
) -> list[float]:
    """Send count requests over all connections as fast as they are answered. -> milliseconds of each.

    Raises: AssertionError for an answer of another status than wanted: a fast refusal is no result.
    """
    took: list[float] = []
    numbers = iter(range(count))

    async def work(connection: Connection) -> None:
        for number in numbers:
            text = request(number)
            start = perf_counter()
            status, body = await connection.ask(text)
            took.append((perf_counter() - start) * 1000)
            assert status == wanted, (status, body)

    await asyncio.gather(*map(work, connections))
    return took


def head(method: str, path: str, key: str, *more: str) -> bytes:
    """The head of a request up to where its own headers and body follow."""
    lines = (f"{method} {path} HTTP/1.1", "Host: bench", f"Authorization: Bearer {key}", *more)
    return "\r\n".join(lines).encode()
