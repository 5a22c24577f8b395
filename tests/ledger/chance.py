"""Chance: what a random book asks of its ledger, aimed at edges by looking at the model's state.

The chance is handed in, so that one source serves two ways: `random.Random(seed)` for thousands of
quick runs, Hypothesis' own for runs that shrink. Small draws are the plain cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from feiqian.ledger.transfer import AMOUNT_MAX, LINKED, PENDING, POST, VOID, Result, Transfer
from tests.ledger.model import MAX_ID, ZERO_ID, Account, Model, chains, expiry_id

T = TypeVar("T")

START = datetime(2026, 11, 2, 15, 59, 50, tzinfo=UTC)  # ten seconds before midnight in Shanghai
CODES = (1, 2, 4)
FLAG_NOISE = (3, 5, 6, 7, 11, 16, 17, 20, 24, 31, 32, 64, 256, 1 << 14)
PAYMENTS = tuple(UUID(int=0xFA << 120 | n) for n in range(1, 4))
DAYS = (date(2026, 10, 30), date(2026, 11, 2), date(2026, 11, 3), date(2027, 1, 4))


class Step(NamedTuple):
    """What happens next: time passes, accounts may close, transfers are posted.

    parts: batches judged one after another in one turn; usually just one.
    """

    now: datetime
    close: tuple[int, ...]
    parts: list[list[Transfer]]


def new_id(number: int) -> UUID:
    """The n-th id of a run, shaped like the ids clients make."""
    return UUID(int=number << 80 | 0x7 << 76 | 0b10 << 62 | number)


class Chance:
    """Draws the steps of one run. The model must be kept up to date by whoever asks for steps."""

    def __init__(self, random: Random, model: Model) -> None:
        self.random = random
        self.model = model
        self.now = START
        self.asked: list[Transfer] = []
        self.ids = 0
        self.linking = 0

    def sometimes(self, percent: int) -> bool:
        return self.random.randrange(100) >= 100 - percent

    def one_of(self, options: Sequence[T]) -> T:
        return options[self.random.randrange(len(options))]

    def step(self, most: int = 9) -> Step:
        """One step of the run."""
        if self.sometimes(60):
            self.now += timedelta(
                seconds=self.one_of((1, 1, 4, 5, 9, 10, 60, 61, 3600, 90_000, -2, -7, -120))
            )
        close = self.closing() if self.sometimes(5) else ()
        self.linking = self.one_of((0, 0, 0, 15, 50))
        batch: list[Transfer] = []
        for number in range(1 + self.random.randrange(most)):
            transfer = self.again(batch) if self.sometimes(14) else self.fresh(batch)
            while self.sometimes(14):  # twice, too: of two faults the first in order is told
                transfer = self.bent(transfer, batch)
            if self.sometimes(self.linking) and (number < most - 1 or self.sometimes(15)):
                transfer = msgspec.structs.replace(transfer, flags=transfer.flags | LINKED)
            batch.append(transfer)
        if batch[-1].flags & LINKED and not self.sometimes(12):
            batch[-1] = msgspec.structs.replace(batch[-1], flags=batch[-1].flags & ~LINKED)
        self.asked += batch
        return Step(self.now, close, list(chains(batch)) if self.sometimes(30) else [batch])

    def closing(self) -> tuple[int, ...]:
        """One account, or both of an open hold."""
        holds = self.model.open_holds()
        if holds and self.sometimes(40):
            hold = self.one_of(holds)
            return hold.debit_key, hold.credit_key
        return (self.one_of(list(self.model.accounts)),)

    # Kinds of transfer

    def id(self) -> UUID:
        self.ids += 1
        return new_id(self.ids)

    def fresh(self, batch: list[Transfer]) -> Transfer:
        holds = any(t.flags & PENDING for t in batch) or self.model.open_holds()
        return self.ending(batch) if self.sometimes(45 if holds else 8) else self.beginning()

    def beginning(self) -> Transfer:
        debit = self.one_of(list(self.model.accounts.values()))
        same = [a for a in self.model.accounts.values() if a.unit == debit.unit and a.key != debit.key]
        credit = self.one_of(same or list(self.model.accounts.values()))
        # Money must come from somewhere before bounded accounts can spend it.
        empty = (debit.debits_bounded and room(debit) <= 0) or (credit.credits_bounded and room(credit) <= 0)
        if empty and not self.sometimes(10):
            debit, credit = credit, debit
        pending = self.sometimes(42)
        return Transfer(
            id=self.id(),
            debit=debit.key,
            credit=credit.key,
            amount=self.amount(debit, credit),
            code=self.one_of(CODES),
            flags=PENDING if pending else 0,
            timeout=self.one_of((0, 1, 5, 10, 60, 3600, 90_000)) if pending else 0,
            payment=self.one_of((None, *PAYMENTS)),
            value_on=self.one_of((None, None, *DAYS)),
        )

    def amount(self, debit: Account, credit: Account) -> int:
        """Small, or at the very edge of what the two accounts allow."""
        rooms = []
        if debit.debits_bounded:
            rooms.append(room(debit))
        if credit.credits_bounded:
            rooms.append(room(credit))
        if not self.sometimes(35):
            return 1 + self.random.randrange(min(max(min([100, *rooms]), 1), 100))
        # Only the last unit reaches for the end of the counters, where nothing fits any more.
        if self.sometimes(6) and debit.unit == list(self.model.accounts.values())[-1].unit:
            rooms.append(AMOUNT_MAX - debit.debits_posted - debit.debits_pending)
            rooms.append(AMOUNT_MAX - credit.credits_posted - credit.credits_pending)
        rooms = [left for left in rooms if left > 0] or [50]
        return max(1, self.one_of(rooms) + self.one_of((0, 0, 1, -1)))

    def ending(self, batch: list[Transfer]) -> Transfer:
        """A post or void, usually of a hold that exists and usually fitting."""
        hold, pending_id = self.some_hold(batch)
        post = not self.sometimes(40)
        debit, credit, held, code = (
            (hold.debit_key, hold.credit_key, hold.amount, hold.code) if hold else (0, 0, 10, 0)
        )
        amounts = (held, held, 1, held - 1, held + 1, 0) if post else (0, 0, held, held, held - 1, held + 1)
        other = self.one_of(list(self.model.accounts))
        return Transfer(
            id=self.id(),
            debit=self.one_of((0, 0, 0, debit, debit, debit, other)),
            credit=self.one_of((0, 0, 0, credit, credit, credit, other)),
            amount=self.one_of(amounts) if not self.sometimes(20) else self.random.randrange(held + 2),
            code=self.one_of((0, 0, 0, code, code, 3)),
            flags=POST if post else VOID,
            pending_id=pending_id,
            payment=self.one_of((None, None, *PAYMENTS)),
            value_on=self.one_of((None, None, *DAYS)),
        )

    def some_hold(self, batch: list[Transfer]) -> tuple[Any, UUID]:
        """A hold to end and its id: open ones first, then ended, same batch, no holds at all."""
        here = [t for t in batch if t.flags & PENDING]
        if here and self.sometimes(30):
            pick = self.one_of(here)
            return _AsHold(pick.debit, pick.credit, min(max(pick.amount, 1), AMOUNT_MAX), pick.code), pick.id
        open_holds = self.model.open_holds()
        if open_holds and not self.sometimes(25):
            found = self.one_of(open_holds)
            return found, found.id
        ended = list(self.model.ended)
        if ended and not self.sometimes(30):
            found = self.model.known[self.one_of(ended)]
            return found, found.id
        if self.model.entries and not self.sometimes(25):
            found = self.one_of(self.model.entries)
            return found, found.id
        if self.model.open_holds() and self.sometimes(50):
            return None, expiry_id(self.one_of(self.model.open_holds()).id)
        return None, self.one_of([t.id for t in batch] or [self.id()])

    def again(self, batch: list[Transfer]) -> Transfer:
        """An id used before, as it was or with one field changed."""
        asked = self.asked + batch
        if not asked:
            return self.fresh(batch)
        if self.model.entries and self.sometimes(15):
            # Once more the newest, or an entry that the ledger itself wrote or is about to write.
            holds = self.model.open_holds()
            entry = self.one_of(self.model.entries[-6:])
            pick = Transfer(
                id=expiry_id(holds[0].id) if holds and self.due_now(holds[0]) else entry.id,
                debit=entry.debit_key,
                credit=entry.credit_key,
                amount=entry.amount,
                code=entry.code,
                flags=entry.flags,
                pending_id=entry.pending_id,
                timeout=entry.timeout,
                payment=entry.payment,
                value_on=entry.value_on,
            )
        else:
            pick = self.one_of(asked)
        if not self.sometimes(70):
            return pick
        other = self.one_of(list(self.model.accounts))
        changes: tuple[dict[str, Any], ...] = (
            {"flags": pick.flags ^ LINKED},
            {"flags": self.one_of((0, PENDING, POST, VOID))},
            {"pending_id": self.one_of((None, ZERO_ID, self.id()))},
            {"timeout": self.one_of((0, 7))},
            {"debit": self.one_of((0, other))},
            {"credit": self.one_of((0, other))},
            {"amount": self.one_of((0, pick.amount + 1, -1))},
            {"payment": self.one_of((None, *PAYMENTS))},
            {"value_on": self.one_of((None, *DAYS))},
            {"code": self.one_of((0, *CODES))},
        )
        change = self.one_of(changes) | (self.one_of(changes) if self.sometimes(35) else {})
        return msgspec.structs.replace(pick, **change)

    def due_now(self, hold: Any) -> bool:
        return hold in self.model.overdue(self.now)

    def bent(self, t: Transfer, batch: list[Transfer]) -> Transfer:
        """The same with one field at or beyond its edge."""
        keys = list(self.model.accounts)
        changes: tuple[dict[str, Any], ...] = (
            {"id": self.one_of((ZERO_ID, MAX_ID))},
            {"flags": self.one_of(FLAG_NOISE)},
            {"flags": self.one_of((0, PENDING, POST, VOID))},
            {"pending_id": self.one_of((None, ZERO_ID, MAX_ID, t.id, self.id()))},
            {"debit": self.one_of((0, 999, -1, 2**31, 2**63, *keys))},
            {"credit": self.one_of((0, 999, -1, 2**31, 2**63, *keys))},
            {"debit": t.credit},
            {"debit": 998, "credit": 999},
            {"timeout": self.one_of((0, 7, -1, 2**31 - 1, 2**31, 2**40))},
            {"amount": self.one_of((0, -1, -(2**63), AMOUNT_MAX, AMOUNT_MAX + 1, 2**64, 2**127))},
            {"amount": AMOUNT_MAX},
            {"code": self.one_of((0, 0, -1, 2**15 - 1, 2**15, 70_000))},
        )
        return msgspec.structs.replace(t, **self.one_of(changes))


def story(random: Random, accounts: Sequence[Account], steps: int) -> list[Step]:
    """The steps of one run, drawn beforehand with a model of its own."""
    chance = Chance(random, Model(accounts))
    told = []
    for _ in range(steps):
        step = chance.step()
        told.append(step)
        play(chance.model, step)
    return told


def play(model: Model, step: Step) -> list[Result]:
    """What the model says to one step."""
    for key in step.close:
        model.close(key)
    return [result for part in step.parts for result in model.post(part, step.now)]


def room(account: Account) -> int:
    """What a bounded account may still give."""
    if account.debits_bounded:
        return account.credits_posted - account.debits_posted - account.debits_pending
    return account.debits_posted - account.credits_posted - account.credits_pending


class _AsHold(NamedTuple):
    debit_key: int
    credit_key: int
    amount: int
    code: int
