"""Report: how the day goes while it goes, and what came of it, in words and as one line for machines."""

from __future__ import annotations

import sys
from typing import Any, TextIO

import msgspec

from feiqian.proof import Proof
from feiqian.proof.prove import INVARIANTS, MEANS
from feiqian.simulator.model import Model
from feiqian.simulator.plan import Plan

_REASONS = {
    "amount_fixed": "another amount than the code's",
    "amount_needed": "no amount for an open stand",
    "code_already_paid": "paid by somebody else already",
    "code_altered": "amount in the code altered",
    "code_cancelled": "code cancelled by the shop",
    "code_expired": "code too old",
    "code_unknown": "code of no shop",
    "code_used": "payment code used before",
    "code_wrong": "payment code wrong",
    "device_locked": "device paused after wrong codes",
    "hold_expired": "hold over",
    "idempotency_key_reused": "key used for another request",
    "insufficient_funds": "not enough money",
    "no_receiver": "nobody at this phone number",
    "order_no_reused": "order number used before",
    "over_capture": "more than was held",
    "over_limit": "over a limit of class or code",
    "over_refund": "more than was paid",
    "payee_expired": "name shown too long ago",
    "same_wallet": "to one's own wallet",
    "store_closed": "store closed",
    "store_not_found": "no such store",
    "wallet_frozen": "wallet frozen",
    "wrong_state": "hold ended already",
}


class Outcome:
    """What came of a day."""

    def __init__(
        self,
        plan: Plan,
        model: Model,
        proof: Proof,
        seconds: float,
        times: list[float],
        lost: int,
        repeats: int,
    ) -> None:
        """seconds: from the first act to the last; times: of each answer, sorted."""
        self.plan, self.model, self.proof = plan, model, proof
        self.seconds, self.times = seconds, times
        self.lost, self.repeats = lost, repeats
        self.ready_seconds = 0.0
        self.look: dict[str, str] = {}  # paths worth a look, by what they show
        self.is_whole = True

    @classmethod
    def none(cls) -> Outcome:
        """Of a day that was cut short."""
        outcome = cls.__new__(cls)
        outcome.is_whole = False
        return outcome

    @property
    def ok(self) -> bool:
        """Everything is as it must be."""
        return self.is_whole and self.proof.ok and not self.model.faults

    def percentile(self, share: float) -> float:
        """How many milliseconds this share of the answers took at most."""
        return round(self.times[int((len(self.times) - 1) * share)] * 1_000, 2) if self.times else 0.0

    def line(self) -> dict[str, Any]:
        """As one line for machines."""
        model, proof, count = self.model, self.proof, self.model.count
        payments = count["shop"] + count["holds"]
        return {
            "payments": payments,
            "refused": model.refused.total(),
            "refunds": count["refunds"],
            "transfers": count["transfer"],
            "deposits": count["deposit"],
            "holds": count["holds"],
            "repeats": self.repeats,
            "lost_answers": self.lost,
            "requests": len(self.times),
            "people": len(self.plan.town.people),
            "shops": len(self.plan.town.shops),
            "seed": self.plan.seed,
            "seconds": round(self.seconds, 2),
            "payments_per_second": round(payments / self.seconds, 1) if self.seconds else 0.0,
            "p50_ms": self.percentile(0.50),
            "p99_ms": self.percentile(0.99),
            "ready_seconds": round(self.ready_seconds, 2),
            "books_balanced": proof.books_balanced,
            "chain_verified": proof.chain_verified,
            "model_agrees": not model.faults,
            "invariants": proof.invariants,
            "faults": [*model.faults, *proof.faults],
        }


class Display:
    """Tells how far it is, on `out`: a bar on a terminal, plain lines elsewhere.

    program: how the user calls us, with the flags that matter. stays: it will serve on.
    """

    def __init__(self, out: TextIO = sys.stderr, program: str = "feiqian", *, stays: bool = False) -> None:
        self.program, self.stays = program, stays
        self.ready_seconds = 0.0
        self._out = out
        self._bar: Any = None
        self._task: Any = None
        self._done = self._total = 0
        self._shown = -1

    def say(self, text: str = "") -> None:
        """A line."""
        self._finish()
        print(text, file=self._out, flush=True)

    def ready(self, address: str, key: str, seconds: float) -> None:
        """The server answers."""
        self.ready_seconds = seconds
        self.say(f"feiqian 飞钱 serves {address} after {seconds:.1f} s. A key that may do everything there:")
        self.say(f"  {key}")

    def phase(self, title: str, total: int) -> None:
        """A new bar."""
        self._finish()
        self._done, self._total, self._shown = 0, total, -1
        if not self._out.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        console = Console(file=self._out)
        columns = (TextColumn("{task.description:24}"), BarColumn(), MofNCompleteColumn())
        self._bar = Progress(*columns, console=console, transient=True)
        self._bar.start()
        self._task = self._bar.add_task(title, total=total)

    def at(self, title: str) -> None:
        """What time it is in the town."""
        if self._bar is not None:
            self._bar.update(self._task, description=title)
        elif self._total:
            print(f"  {title}  {self._done} of {self._total}", file=self._out, flush=True)

    def advanced(self, by: int) -> None:
        """So many more are done."""
        self._done += by
        if self._bar is not None:
            self._bar.advance(self._task, by)

    def cut_short(self) -> None:
        """Somebody pressed Ctrl-C."""
        self.say("Stopped before the day was over.")

    def summary(self, outcome: Outcome, address: str, key: str) -> None:
        """What happened, what was proved, how to look around."""
        self._finish()
        lines = [*_summary(outcome), *self._around(outcome, address, key)]
        print("\n".join(lines), file=self._out)
        self._out.flush()

    def _around(self, outcome: Outcome, address: str, key: str) -> list[str]:
        lines = ["", "Look around"]
        if self.stays:
            lines += [f"  {address}/v1/openapi.json describes the API; some of what it answers:"]
            for title, path in outcome.look.items():
                lines += [f"  # {title}", f"  curl -H 'Authorization: Bearer {key}' '{address}{path}'"]
        lines += [
            f"  {self.program} verify --book town   proves the books again",
            f"  {self.program} demo --seed {outcome.plan.seed}   plays the same day again",
        ]
        return [*lines, "", "Serving until Ctrl-C."] if self.stays else lines

    def _finish(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _summary(outcome: Outcome) -> list[str]:
    model, proof, plan = outcome.model, outcome.proof, outcome.plan
    count, moved = model.count, model.moved
    people = plan.town.people
    lines = [
        "",
        f"A day in Xi'an 西安, 06:00 to midnight: {len(people) - 1} people, {len(plan.town.shops)} shops.",
        f"Played over HTTP in {outcome.seconds:.1f} s by seed {plan.seed}: {len(outcome.times):,} answers, "
        f"half within {outcome.percentile(0.5):.0f} ms, 99% within {outcome.percentile(0.99):.0f} ms.",
        "",
        "What happened",
        _row(count["shop"] + count["holds"], "payments at shops", moved["shop"]),
        _row(count["holds"], "of them held first (car park, hotel), then taken, given back or lapsed"),
        _row(count["transfer"], "transfers by phone number", moved["transfer"]),
        _row(count["refunds"], "refunds", moved["refunds"]),
        _row(count["deposit"], "deposits booked in the morning", moved["deposit"]),
        _row(outcome.lost, "answers lost on the way and asked for again"),
        _row(outcome.repeats, "repeats of one request, three to eight at once"),
        _row(model.refused.total(), "refused:"),
    ]
    for code, times in model.refused.most_common():
        lines.append(f"          {times:5}  {_REASONS.get(code, code)}")
    lines += ["", "What was proved, from the database alone"]
    for name in INVARIANTS:
        lines.append(f"  {_mark(proof.invariants[name])} {name}  {MEANS[name]}")
    lines.append(
        f"  {_mark(proof.chain_verified)} chain of {proof.blocks} blocks over {proof.entries} entries; "
        f"newest {proof.head[:16]}…"
    )
    lines.append(f"  {_mark(not model.faults)} the town's own books agree: every wallet, payment and refund")
    for fault in [*model.faults, *proof.faults][:20]:
        lines.append(f"      {fault}")
    return lines


def _row(number: int, text: str, fen: int | None = None) -> str:
    amount = "" if fen is None else f", {fen / 100:,.2f} yuan"
    return f"  {number:7,}  {text}{amount}"


def _mark(holds: bool) -> str:
    return "yes" if holds else "NO "


def machine_line(said: Any) -> str:
    """JSON on one line."""
    return msgspec.json.encode(said).decode()
