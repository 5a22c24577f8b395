"""SIM swap: ask the customer's operator whether the number came to a new SIM lately.

Whoever steals a number gets its codes, so only a plain "not swapped" makes SMS a factor; swapped,
unknown, an error and silence do not. Source: CAMARA SIM Swap 2.1. Ask before a turn, never inside.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

import httpx
import msgspec

T = TypeVar("T")

Verdict = Literal["not_swapped", "swapped", "unknown"]

WINDOW_HOURS = 72
HOURS_MAX = 2_400  # Source: CAMARA SIM Swap 2.1, maxAge


class SimCheck(msgspec.Struct, frozen=True):
    """What the operator said of a number. phone: E.164. reason: why nothing is known, never a secret."""

    phone: str
    verdict: Verdict
    at: datetime
    reason: str = ""


class _Swapped(msgspec.Struct, frozen=True):
    swapped: bool


class _Changed(msgspec.Struct, frozen=True, rename="camel"):
    """monitored_period: days the operator looks back."""

    latest_sim_change: datetime | None = None
    monitored_period: int | None = None


class _Error(msgspec.Struct, frozen=True):
    status: int
    code: str
    message: str


class NoAnswer(Exception):
    """The operator gave no answer that can be used; its text says why."""


class Operator:
    """One operator's interface. token: gives the bearer token of today."""

    def __init__(
        self, address: str, token: Callable[[], Awaitable[str]], timeout_seconds: float = 3.0, **more: Any
    ) -> None:
        """more: for httpx, such as a certificate or a transport."""
        self._token = token
        self._client = httpx.AsyncClient(base_url=address, timeout=timeout_seconds, **more)
        self._seconds = timeout_seconds

    async def close(self) -> None:
        """Hang up."""
        await self._client.aclose()

    async def ask(self, phone: str, at: datetime, hours: int = WINDOW_HOURS) -> SimCheck:
        """Whether the number came to a new SIM in so many hours. phone: E.164. hours: 1 to 2,400.

        Never raises for what the operator does: whatever is no plain answer is unknown.
        Raises: ValueError for hours that cannot be asked for.
        """
        if not 1 <= hours <= HOURS_MAX:
            raise ValueError("hours are 1 to 2,400")
        try:
            said = await self._post("check", {"phoneNumber": phone, "maxAge": hours}, _Swapped)
            return SimCheck(phone, "swapped" if said.swapped else "not_swapped", at)
        except NoAnswer as error:
            if str(error) not in ("OUT_OF_RANGE", "NOT_IMPLEMENTED"):
                return SimCheck(phone, "unknown", at, str(error))
        try:
            changed = await self._post("retrieve-date", {"phoneNumber": phone}, _Changed)
        except NoAnswer as error:
            return SimCheck(phone, "unknown", at, str(error))
        return SimCheck(phone, judge(changed.latest_sim_change, changed.monitored_period, at, hours), at)

    async def _post(self, path: str, body: dict[str, Any], kind: type[T]) -> T:
        correlator = secrets.token_hex(16)
        try:
            headers = {"authorization": f"Bearer {await self._token()}", "x-correlator": correlator}
            answer = await self._client.post(f"/sim-swap/v2/{path}", json=body, headers=headers)
        except httpx.HTTPError as error:
            raise NoAnswer(f"silent: {type(error).__name__}") from None
        if answer.headers.get("x-correlator", correlator) != correlator:
            raise NoAnswer("an answer to something else")
        try:
            if answer.status_code == 200:
                return msgspec.json.decode(answer.content, type=kind)
            fault = msgspec.json.decode(answer.content, type=_Error)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise NoAnswer(f"unreadable, status {answer.status_code}") from None
        raise NoAnswer(fault.code[:64])


def judge(changed_at: datetime | None, monitored_days: int | None, at: datetime, hours: int) -> Verdict:
    """What a date of the latest change says about so many hours. monitored_days: how far back it was seen.

    No date means no change only within the days that the operator says it watched.
    """
    window = timedelta(hours=hours)
    if changed_at is not None:
        if changed_at.tzinfo is None:
            return "unknown"
        return "swapped" if at - changed_at <= window else "not_swapped"
    if monitored_days is not None and timedelta(days=monitored_days) >= window:
        return "not_swapped"
    return "unknown"
