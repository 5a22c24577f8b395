"""Mobile operator: plays an operator that says whether a number came to a new SIM (CAMARA SIM Swap 2.1).

`python -m feiqian.simulator.mobile_operator --port 8102`. The last two digits of a number say what
happens; PUT /numbers with phoneNumber and behaviour says otherwise. All others are not swapped.
"""

from __future__ import annotations

import argparse
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from feiqian.simulator.loopback import Asked, Loopback, Said

BEHAVIOURS = {
    "90": "swapped",
    "91": "unknown",  # 404
    "92": "error",  # 500
    "93": "silent",
    "94": "monitored",  # may not look back so far; no date, 7 days watched
    "95": "monitored_long",  # the same with 120 days
    "96": "untold",  # may not look back so far; no date, and no word how far it was watched
    "97": "nonsense",  # 200 with something else
}
ROOT = "/sim-swap/v2/"


class MobileOperator:
    """Numbers and how they behave. silent_seconds: how long silence lasts before it hangs up."""

    def __init__(self, token: str, silent_seconds: float = 30.0) -> None:
        self.numbers: dict[str, str] = {}
        self.asked: list[Any] = []
        self._token, self._silent_seconds = token, silent_seconds

    def answer(self, asked: Asked) -> Said:
        """One request; the x-correlator comes back with every answer."""
        said = self._answer(asked)
        correlator = asked.headers.get("x-correlator")
        return said._replace(headers={"x-correlator": correlator} if correlator else {})

    def _answer(self, asked: Asked) -> Said:
        if asked.headers.get("authorization") != f"Bearer {self._token}":
            return _error(401, "UNAUTHENTICATED", "Request not authenticated.")
        body = asked.body if isinstance(asked.body, dict) else {}
        phone = body.get("phoneNumber")
        if not isinstance(phone, str) or not re.fullmatch(r"\+[1-9][0-9]{4,14}", phone):
            return _error(400, "INVALID_ARGUMENT", "phoneNumber is not E.164.")
        if (asked.method, asked.path) == ("PUT", "/numbers"):
            self.numbers[phone] = str(body.get("behaviour"))
            return Said(200, body)
        self.asked.append(body)
        behaviour = self.numbers.get(phone) or BEHAVIOURS.get(phone[-2:], "not_swapped")
        if (fault := self._fault(behaviour)) is not None:
            return fault
        if asked.path == ROOT + "check":
            return _check(behaviour, body)
        if asked.path == ROOT + "retrieve-date":
            return _date(behaviour)
        return _error(404, "NOT_FOUND", "No such resource.")

    def _fault(self, behaviour: str) -> Said | None:
        if behaviour == "unknown":
            return _error(404, "IDENTIFIER_NOT_FOUND", "Device identifier not found.")
        if behaviour == "error":
            return _error(500, "INTERNAL", "Unknown server error.")
        if behaviour == "silent":
            time.sleep(self._silent_seconds)
            return Said(0)
        return Said(200, {"swapped": "no"}) if behaviour == "nonsense" else None


def _check(behaviour: str, body: Any) -> Said:
    age = body.get("maxAge", 240)
    if type(age) is not int or not 1 <= age <= 2400:
        return _error(400, "OUT_OF_RANGE", "maxAge is 1 to 2400.")
    if behaviour in ("monitored", "monitored_long", "untold"):
        return _error(400, "OUT_OF_RANGE", "The operator may not look back so far.")
    return Said(200, {"swapped": behaviour == "swapped"})


def _date(behaviour: str) -> Said:
    if behaviour == "untold":
        return Said(200, {"latestSimChange": None})
    if behaviour in ("monitored", "monitored_long"):
        days = 7 if behaviour == "monitored" else 120
        return Said(200, {"latestSimChange": None, "monitoredPeriod": days})
    ago = timedelta(hours=1) if behaviour == "swapped" else timedelta(days=400)
    return Said(200, {"latestSimChange": (datetime.now(UTC) - ago).isoformat()})


def _error(status: int, code: str, message: str) -> Said:
    return Said(status, {"status": status, "code": code, "message": message})


def main() -> None:
    """Serve until interrupted; prints the address."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=8102)
    parser.add_argument("--token", default="simulated")
    given = parser.parse_args()
    Loopback(MobileOperator(given.token).answer, given.port).serve()


if __name__ == "__main__":
    main()
