"""SMS sender: hands codes to a gateway after the commit: claim, commit, call, record.

A gateway that stays silent is asked again with the same id, a few times while the code lives; a gateway
that knows ids sends one message. Run `deliver` from a timer, beside the other jobs.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, Literal, Protocol

import httpx

from feiqian.access.factors.proof import queries, sealing_of
from feiqian.access.factors.sms import DIGITS, sealed_about
from feiqian.kernel.book import Book, Turn
from feiqian.kernel.ids import show
from feiqian.kernel.secret import open_sealed

Outcome = Literal["accepted", "refused", "silent"]

SENDS_MAX = 3
AGAIN_AFTER = timedelta(seconds=30)


class Gateway(Protocol):
    """A way out for messages."""

    async def send(self, id: str, phone: str, text: str) -> Outcome:
        """Take a message; the same id twice is one message. Never raises for what the gateway does."""


class HttpGateway:
    """A gateway that takes JSON: POST /messages with id, to and text; 2xx takes it, 4xx refuses it."""

    def __init__(self, address: str, token: str, timeout_seconds: float = 5.0, **more: Any) -> None:
        headers = {"authorization": f"Bearer {token}"}
        self._client = httpx.AsyncClient(base_url=address, timeout=timeout_seconds, headers=headers, **more)

    async def send(self, id: str, phone: str, text: str) -> Outcome:
        """Hand over one message."""
        try:
            answer = await self._client.post("/messages", json={"id": id, "to": phone, "text": text})
        except httpx.HTTPError:
            return "silent"
        if answer.is_success:
            return "accepted"
        return "refused" if answer.is_client_error and answer.status_code not in (408, 429) else "silent"

    async def close(self) -> None:
        """Hang up."""
        await self._client.aclose()


async def deliver(book: Book, gateway: Gateway, most: int = 50) -> int:
    """Send what is due. -> how many were handed over. Nothing holds the book's turn while a call is made."""

    async def claim(turn: Turn) -> list[Any]:
        rows = await queries.claim_sms(
            turn.connection, at=turn.at, again_at=turn.at + AGAIN_AFTER, sends_max=SENDS_MAX, most=most
        )
        return list(rows)

    if not (claimed := await book.write(claim)):
        return 0
    outcomes = await asyncio.gather(*(_send(book, gateway, row) for row in claimed))

    async def record(turn: Turn) -> None:
        for row, outcome in zip(claimed, outcomes, strict=True):
            if outcome == "accepted":
                await queries.set_sms_delivery(turn.connection, id=row["id"], delivery="sent")
            elif outcome == "refused" or row["sends"] >= SENDS_MAX:
                await queries.set_sms_delivery(turn.connection, id=row["id"], delivery="failed")

    await book.write(record)
    return len(claimed)


async def _send(book: Book, gateway: Gateway, row: Any) -> Outcome:
    plain = open_sealed(sealing_of(book), row["sealed"], sealed_about(row["id"])).decode()
    return await gateway.send(show("sms", row["id"]), row["phone"], plain[DIGITS:])
