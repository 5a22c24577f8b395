"""SMS gateway: plays the company that carries messages, and misbehaves by chance from a seed.

`python -m feiqian.simulator.sms_gateway --port 8101 --seed 7 --error 0.1`. POST /messages takes a message
(id, to, text); GET /messages shows what arrived at the telephones. A message with a known id is taken
again and carried once.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Iterable
from random import Random
from typing import Literal

from feiqian.simulator.loopback import Asked, Loopback, Said

Fault = Literal["delay", "drop", "error", "lost", "duplicate", "refuse", "none"]
FAULTS: dict[Fault, str] = {
    "delay": "answers late",
    "drop": "takes the message and never carries it",
    "error": "answers 500 and does not take the message",
    "lost": "carries the message and hangs up without an answer",
    "duplicate": "carries the message twice",
    "refuse": "answers 422: it does not carry to such numbers",
}


class SmsGateway:
    """Messages as they arrive. script: faults of the first messages, in order; then chance decides."""

    def __init__(
        self,
        token: str,
        script: Iterable[Fault] = (),
        chances: dict[Fault, float] | None = None,
        seed: int = 1,
        delay_seconds: float = 2.0,
    ) -> None:
        self.arrived: list[dict[str, str]] = []
        self.asked = 0
        self._token, self._script, self._chances = token, iter(script), chances or {}
        self._random, self._delay = Random(seed), delay_seconds
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def answer(self, asked: Asked) -> Said:
        """One request."""
        if asked.headers.get("authorization") != f"Bearer {self._token}":
            return Said(401, {"code": "unauthenticated"})
        if asked.path != "/messages":
            return Said(404, {"code": "not_found"})
        if asked.method == "GET":
            return Said(200, {"messages": self.arrived})
        message = asked.body
        if not isinstance(message, dict) or set(message) != {"id", "to", "text"}:
            return Said(400, {"code": "malformed"})
        with self._lock:
            said, pause = self._take(message)
        time.sleep(pause)
        return said

    def _take(self, message: dict[str, str]) -> tuple[Said, float]:
        self.asked += 1
        fault = next(self._script, None) or self._chance()
        if fault == "error":
            return Said(500, {"code": "broken"}), 0
        if fault == "refuse":
            return Said(422, {"code": "not_carried"}), 0
        if message["id"] not in self._known:
            self._known.add(message["id"])
            self.arrived += [message] * {"drop": 0, "duplicate": 2}.get(fault, 1)
        taken = Said(0) if fault == "lost" else Said(202, {"id": message["id"]})
        return taken, self._delay if fault == "delay" else 0

    def _chance(self) -> Fault:
        drawn = self._random.random()
        for fault, chance in self._chances.items():
            drawn -= chance
            if drawn < 0:
                return fault
        return "none"


def main() -> None:
    """Serve until interrupted; prints the address."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=8101)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--token", default="simulated")
    parser.add_argument("--delay-seconds", type=float, default=2.0)
    for fault, text in FAULTS.items():
        parser.add_argument(f"--{fault}", type=float, default=0.0, metavar="CHANCE", help=text)
    given = parser.parse_args()
    chances = {fault: getattr(given, fault) for fault in FAULTS}
    gateway = SmsGateway(given.token, (), chances, given.seed, given.delay_seconds)
    Loopback(gateway.answer, given.port).serve()


if __name__ == "__main__":
    main()
