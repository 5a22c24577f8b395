"""The judge against the model, without a database: tens of thousands of transfers, answer by answer.

C13, F12. A failure names its seed; Hypothesis' own shrinks to a short story.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from random import Random
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feiqian.ledger.judge import Counters, Court, Facts, Hold, judge
from feiqian.ledger.transfer import EXPIRED, POST, VOID, Entry, Result, Transfer
from tests.ledger.chance import Chance, play
from tests.ledger.model import NEVER, Account, Model, expires_at, shanghai_day

ACCOUNTS = (
    Account(1, "CNY", credits_bounded=True),
    Account(2, "CNY", debits_bounded=True),
    Account(3, "CNY", debits_bounded=True),
    Account(4, "CNY"),
    Account(5, "CNY", debits_bounded=True, credits_bounded=True),
    Account(6, "JPY", credits_bounded=True),
    Account(7, "JPY", debits_bounded=True),
    Account(8, "points"),
    Account(9, "points"),
    Account(10, "points", debits_bounded=True),
)


class Shelf:
    """What post() does around the judge, kept in memory: hand it the named facts only, keep what it says."""

    def __init__(self, accounts: tuple[Account, ...] = ACCOUNTS) -> None:
        self.accounts = {a.key: Counters(*a) for a in accounts}
        self.entries: list[Entry] = []
        self.known: dict[UUID, Entry] = {}
        self.holds: dict[UUID, Hold] = {}
        self.ended: dict[UUID, int] = {}
        self.refused: dict[UUID, Result] = {}
        self.booked_at: Any = NEVER

    def post(self, parts: list[list[Transfer]], now: datetime) -> list[Result]:
        transfers = [transfer for part in parts for transfer in part]
        at: datetime = max(now, self.booked_at)
        overdue = [h for h in self.holds.values() if h.expires_at is not None and h.expires_at <= at]
        overdue = sorted((copied(h) for h in overdue), key=lambda h: (h.expires_at, self.known[h.id].seq))
        holds = {hold.id: hold for hold in overdue}
        for t in transfers:
            if t.pending_id in self.known and t.pending_id not in holds:
                e = self.known[t.pending_id]
                holds[e.id] = Hold(
                    e.id, e.debit_key, e.credit_key, e.amount, e.code, e.flags, e.payment, None,
                    self.ended.get(e.id, 0),
                )  # fmt: skip
        keys = {t.debit for t in transfers} | {t.credit for t in transfers}
        keys |= {h.debit_key for h in holds.values()} | {h.credit_key for h in holds.values()}
        ids = {t.id for t in transfers}
        facts = Facts(
            seq=len(self.entries),
            at=at,
            booked_on=shanghai_day(at),
            accounts={key: copied(self.accounts[key]) for key in keys if key in self.accounts},
            holds=holds,
            known={id: self.known[id] for id in ids if id in self.known},
            failed={id for id in ids if id in self.refused},
        )
        if len(parts) == 1:
            done = judge(transfers, facts, overdue)
        else:
            court = Court(facts)
            for hold in overdue:
                court.expire(hold)
            heard = [result for part in parts for result in court.hear(part)]
            done = court.done
            assert heard == done.results
        for entry in done.entries:
            assert entry.id not in self.known
            assert entry.seq == len(self.entries) + 1
            self.entries.append(entry)
            self.known[entry.id] = entry
            if entry.pending_id is not None:
                assert entry.pending_id not in self.ended
                self.ended[entry.pending_id] = entry.flags & (POST | VOID | EXPIRED)
            for key in (entry.debit_key, entry.credit_key):
                self.accounts[key] = facts.accounts[key]
        for hold in done.opened:
            if not hold.ended_by:
                self.holds[hold.id] = hold
        for id in done.ended:
            self.holds.pop(id, None)
        self.refused = {**done.refused, **self.refused}
        self.booked_at = self.entries[-1].booked_at if self.entries else NEVER
        return done.results


def copied(struct: Any) -> Any:
    return msgspec.structs.replace(struct)


def compare(chance: Chance, shelf: Shelf, steps: int, seen: Counter[Result] | None = None) -> None:
    """Run some steps through both and demand that nothing differs."""
    model = chance.model
    for _ in range(steps):
        step = chance.step()
        for key in step.close:
            shelf.accounts[key].closed = True
        booked = len(model.entries)
        expected = play(model, step)
        results = shelf.post(step.parts, step.now)
        batch = [transfer for part in step.parts for transfer in part]
        assert list(zip(batch, results, strict=True)) == list(zip(batch, expected, strict=True))
        assert shelf.entries[booked:] == model.entries[booked:]
        assert {
            key: Account(*msgspec.structs.astuple(a)) for key, a in shelf.accounts.items()
        } == model.accounts
        assert {id: h.expires_at for id, h in shelf.holds.items()} == {
            e.id: expires_at(e) for e in model.open_holds()
        }
        assert shelf.refused == model.refused
        if seen is not None:
            seen.update(results)


@pytest.mark.parametrize("block", range(4))
def test_random_books_are_judged_as_the_model_judges_them(block: int) -> None:
    """C13, F12, I3: 4 x 500 random books of 8 batches, about 80,000 transfers."""
    for seed in range(block * 500, block * 500 + 500):
        try:
            compare(Chance(Random(seed), Model(ACCOUNTS)), Shelf(), steps=8)
        except BaseException as error:
            error.add_note(f"random book with seed {seed}")
            raise


@settings(max_examples=60, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False))
def test_random_books_that_shrink(random: Random) -> None:
    """C13: the same by Hypothesis, which looks for odd runs and shortens what it finds."""
    compare(Chance(random, Model(ACCOUNTS)), Shelf(), steps=4)


def test_every_answer_is_reached() -> None:
    """C13: no member of Result is only written down; each occurs more than a handful of times."""
    seen: Counter[Result] = Counter()
    for seed in range(20_000, 20_600):
        compare(Chance(Random(seed), Model(ACCOUNTS)), Shelf(), steps=8, seen=seen)
    rare = {result.value: seen[result] for result in Result if seen[result] < 5}
    assert not rare
    assert seen[Result.OK] > 0.25 * seen.total()
