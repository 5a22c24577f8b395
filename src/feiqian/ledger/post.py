"""Post: read what the judge may know, judge, write; one turn, a handful of statements, any batch size."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from feiqian.kernel.book import Turn
from feiqian.kernel.queries import load
from feiqian.ledger.chain import block_hash, sums
from feiqian.ledger.judge import Counters, Court, Facts, Hold, Judgement
from feiqian.ledger.transfer import EXPIRED, POST, VOID, Entry, Result, Transfer

queries = load(Path(__file__).parent)

SWEEP = 2_000  # holds expired in one go


class Pen:
    """Facts read, a judge over them, and what was judged still to be written.

    For callers that decide one thing after another in one turn and must know each answer before the
    next question: `offer` judges at once and in memory, `write` stores everything set-based.
    """

    def __init__(self, turn: Turn, head: Any, facts: Facts, overdue: Sequence[Hold]) -> None:
        self._turn, self._head, self._facts = turn, head, facts
        self._court = Court(facts)
        for hold in overdue:
            self._court.expire(hold)

    @property
    def at(self) -> datetime:
        """The moment everything is booked at: the turn's, but never before what is booked already."""
        return self._facts.at

    def offer(self, transfers: Sequence[Transfer]) -> list[Result]:
        """Judge transfers between accounts and holds that were named to `open_pen`."""
        return self._court.hear(transfers)

    async def write(self) -> None:
        """Store what was judged, once, at the end."""
        await _write(self._turn, self._head, self._facts, self._court.done)


async def post(turn: Turn, transfers: Sequence[Transfer]) -> list[Result]:
    """Book a batch of transfers, holds overdue first. -> one result per transfer, in order.

    A refused transfer is a value in the answer and stops no neighbour outside its chain.
    """
    keys = {t.debit for t in transfers} | {t.credit for t in transfers}
    named = [t.pending_id for t in transfers if t.pending_id is not None]
    pen = await open_pen(turn, keys, named, [transfer.id for transfer in transfers])
    results = pen.offer(transfers)
    await pen.write()
    return results


async def open_pen(
    turn: Turn, keys: Iterable[int], holds: Sequence[UUID] = (), ids: Sequence[UUID] = ()
) -> Pen:
    """Read what is needed to judge transfers between these accounts; expire what is overdue.

    ids: those that clients chose and may have used before; ids made in this turn need no look-up.
    """
    head = await queries.head(turn.connection, at=turn.at, ids=ids)
    overdue = await _overdue(turn) if head["overdue"] else []
    while len(overdue) == SWEEP:
        await Pen(turn, head, await _facts(turn, head, overdue, (), ()), overdue).write()
        head = await queries.head(turn.connection, at=turn.at, ids=ids)
        overdue = await _overdue(turn)
    return Pen(turn, head, await _facts(turn, head, overdue, keys, holds), overdue)


async def is_any_overdue(connection: Any, at: datetime) -> bool:
    """Whether a sweep would find anything."""
    return bool((await queries.head(connection, at=at, ids=()))["overdue"])


async def sweep(turn: Turn) -> int:
    """Expire overdue holds, at most SWEEP of them. -> how many."""
    overdue = await _overdue(turn)
    if overdue:
        head = await queries.head(turn.connection, at=turn.at, ids=())
        await Pen(turn, head, await _facts(turn, head, overdue, (), ()), overdue).write()
    return len(overdue)


async def _overdue(turn: Turn) -> list[Hold]:
    rows = await queries.overdue_holds(turn.connection, at=turn.at, most=SWEEP)
    return [Hold(*row) for row in rows]


async def _facts(
    turn: Turn,
    head: Any,
    overdue: Sequence[Hold],
    keys: Iterable[int],
    named: Sequence[UUID],
) -> Facts:
    connection = turn.connection
    known = await queries.known_transfers(connection, ids=head["known"]) if head["known"] else []
    holds = {hold.id: hold for hold in overdue}
    named = [id for id in named if id not in holds]
    if named:
        for row in await queries.named_holds(connection, ids=named):
            hold = Hold(*row)
            hold.ended_by &= POST | VOID | EXPIRED
            holds[hold.id] = hold
    wanted = {key for key in keys if 0 < key < 2**31}
    wanted.update(hold.debit_key for hold in holds.values())
    wanted.update(hold.credit_key for hold in holds.values())
    # History never goes back, even when the machine's clock does; nor does its day.
    at = max(turn.at, head["booked_at"])
    return Facts(
        seq=head["seq"],
        at=at,
        booked_on=turn.book.calendar.business_day(at),
        accounts={row[0]: Counters(*row) for row in await queries.counters(connection, keys=sorted(wanted))},
        holds=holds,
        known={row["id"]: Entry(*row) for row in known},
        failed=set(head["failed"]),
    )


async def _write(turn: Turn, head: Any, facts: Facts, judgement: Judgement) -> None:
    connection, entries = turn.connection, judgement.entries
    if judgement.refused:
        await queries.keep_refused(
            connection,
            ids=list(judgement.refused),
            results=[result.value for result in judgement.refused.values()],
            at=facts.at,
        )
    if not entries:
        return
    copying = asyncio.ensure_future(
        connection.copy_records_to_table("transfer", records=entries, columns=Entry._fields)
    )
    try:
        await asyncio.sleep(0)  # The rows leave; while the server takes them in, we do our sums.
        closing = _closing(head, facts, entries)
    finally:
        await copying
    opened = [hold for hold in judgement.opened if not hold.ended_by]
    if opened:
        await queries.open_holds(
            connection,
            ids=[hold.id for hold in opened],
            debit_keys=[hold.debit_key for hold in opened],
            credit_keys=[hold.credit_key for hold in opened],
            amounts=[hold.amount for hold in opened],
            expires_at=[hold.expires_at for hold in opened],
        )
    if judgement.ended:
        await queries.end_holds(connection, ids=judgement.ended)
    await queries.close_batch(connection, **closing)


def _closing(head: Any, facts: Facts, entries: Sequence[Entry]) -> dict[str, Any]:
    """What close_batch writes: the counters of every account touched, and the block."""
    touched = {entry[2] for entry in entries}
    touched.update(entry[3] for entry in entries)
    accounts = [facts.accounts[key] for key in sorted(touched)]
    number = head["block"] + 1
    return {
        "keys": [a.key for a in accounts],
        "debits_pending": [a.debits_pending for a in accounts],
        "debits_posted": [a.debits_posted for a in accounts],
        "credits_pending": [a.credits_pending for a in accounts],
        "credits_posted": [a.credits_posted for a in accounts],
        "number": number,
        "first_seq": entries[0].seq,
        "last_seq": entries[-1].seq,
        "booked_on": facts.booked_on,
        "booked_at": facts.at,
        "sums": sums(entries, {account.key: account.unit for account in accounts}),
        "previous": head["hash"],
        "hash": block_hash(head["hash"], number, facts.booked_on, facts.at, entries),
    }
