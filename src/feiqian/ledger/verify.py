"""Verify: replay every entry from the first block on and compare with what the tables say today."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from feiqian.kernel.queries import load
from feiqian.ledger.chain import block_hash, sums
from feiqian.ledger.transfer import EXPIRED, PENDING, POST, VOID, Entry

queries = load(Path(__file__).parent)

_NOTHING = (0, 0, 0, 0)
_EDGE = 2**63 - 1


class Proof(msgspec.Struct):
    """What a verification found. faults: the first few, in words with numbers, never with names."""

    entries: int = 0
    blocks: int = 0
    accounts: int = 0
    head: str = ""  # newest hash, hex
    chain: bool = True  # every block's hash fits
    balances: bool = True  # counters after each entry and in each account are what the entries add up to
    zero: bool = True  # debits equal credits, per unit
    holds: bool = True  # pending counters equal open holds
    floors: bool = True  # no bounded account ever on the wrong side
    faults: list[str] = []

    @property
    def ok(self) -> bool:
        """Everything holds."""
        return self.chain and self.balances and self.zero and self.holds and self.floors


async def verify(connection: Any) -> Proof:
    """Recompute the chain, all counters and all sums. Run it in one repeatable-read snapshot.

    Memory: one small tuple per account; entries are read block by block.
    """
    replay = _Replay(Proof(), {row["key"]: row for row in await queries.all_accounts(connection)})
    previous, number, seq = bytes(32), 0, 0
    while blocks := await queries.blocks_after(connection, number=number, most=100):
        rows = await queries.transfers_between(
            connection, first_seq=blocks[0]["first_seq"], last_seq=blocks[-1]["last_seq"]
        )
        entries = [Entry(*row) for row in rows]
        start = 0
        for block in blocks:
            stop = start
            while stop < len(entries) and entries[stop].seq <= block["last_seq"]:
                stop += 1
            replay.block(block, entries[start:stop], previous, number + 1, seq + 1)
            previous, number, seq, start = block["hash"], block["number"], block["last_seq"], stop
    for first, last in ((-_EDGE, 0), (seq + 1, _EDGE)):
        for row in await queries.transfers_between(connection, first_seq=first, last_seq=last):
            replay.fault("chain", f"entry {row['seq']} stands in no block")
    head = await queries.head_now(connection)
    replay.head(head, previous, number, seq)
    replay.close(await queries.all_holds(connection))
    return replay.proof


class _Replay:
    def __init__(self, proof: Proof, accounts: dict[int, Any]) -> None:
        self.proof = proof
        self.accounts = accounts
        # An account taken away is named at its entries; its unit must not stop the proof.
        self.units = defaultdict(str, {key: row["unit"] for key, row in accounts.items()})
        self.counters: dict[int, tuple[int, int, int, int]] = {}
        self.open: dict[Any, Entry] = {}
        self.booked_at: Any = None  # of the last block

    def fault(self, which: str, text: str) -> None:
        setattr(self.proof, which, False)
        if len(self.proof.faults) < 20:
            self.proof.faults.append(text)

    def block(self, block: Any, entries: list[Entry], previous: bytes, number: int, first_seq: int) -> None:
        """Check one block's place and hash, then replay its entries."""
        proof = self.proof
        proof.blocks += 1
        name = f"block {block['number']}"
        if (block["number"], block["first_seq"], block["previous"]) != (number, first_seq, previous):
            self.fault("chain", f"{name} does not follow the block before it")
        if [entry.seq for entry in entries] != list(range(block["first_seq"], block["last_seq"] + 1)):
            self.fault("chain", f"{name} has entries missing or added")
        elif _hash(block, entries) != block["hash"]:
            self.fault("chain", f"{name} was changed after it was written")
        # The hash covers the block's day and moment, by which the past is read.
        if any((e.booked_on, e.booked_at) != (block["booked_on"], block["booked_at"]) for e in entries):
            self.fault("chain", f"{name} has another day or moment than its entries")
        if self.booked_at is not None and block["booked_at"] < self.booked_at:
            self.fault("chain", f"{name} lies before the block before it")
        self.booked_at = block["booked_at"]
        if sums(entries, self.units) != block["sums"]:
            self.fault("zero", f"{name} moved other sums than it says")
        for entry in entries:
            self.entry(entry)

    def entry(self, entry: Entry) -> None:
        """Apply one entry and compare the counters it recorded."""
        proof, amount = self.proof, entry.amount
        proof.entries += 1
        dp, dq, dr, ds = self.counters.get(entry.debit_key, _NOTHING)
        cp, cq, cr, cs = self.counters.get(entry.credit_key, _NOTHING)
        if entry.flags & PENDING:
            dp, cr = dp + amount, cr + amount
            self.open[entry.id] = entry
        elif entry.flags & (POST | VOID | EXPIRED):
            hold = self.open.pop(entry.pending_id, None)
            if hold is None or hold.debit_key != entry.debit_key or hold.credit_key != entry.credit_key:
                self.fault("holds", f"entry {entry.seq} ends a hold that is not open")
                return
            dp, cr = dp - hold.amount, cr - hold.amount
            if entry.flags & POST:
                dq, cs = dq + amount, cs + amount
                if amount > hold.amount:
                    self.fault("holds", f"entry {entry.seq} posts more than was held")
        else:
            dq, cs = dq + amount, cs + amount
        debit, credit = (dp, dq, dr, ds), (cp, cq, cr, cs)
        self.counters[entry.debit_key], self.counters[entry.credit_key] = debit, credit
        if (*debit, *credit) != entry[13:]:
            self.fault("balances", f"entry {entry.seq} recorded other counters than its history gives")
        self.floor(entry.debit_key, debit, entry.seq)
        self.floor(entry.credit_key, credit, entry.seq)

    def floor(self, key: int, counters: tuple[int, int, int, int], seq: int) -> None:
        account = self.accounts.get(key)
        if account is None:
            self.fault("balances", f"entry {seq} names account {key}, which does not exist")
            return
        debits_pending, debits_posted, credits_pending, credits_posted = counters
        if (account["debits_bounded"] and debits_pending + debits_posted > credits_posted) or (
            account["credits_bounded"] and credits_pending + credits_posted > debits_posted
        ):
            self.fault("floors", f"account {key} passed its bound at entry {seq}")

    def head(self, head: Any, previous: bytes, number: int, seq: int) -> None:
        """The head must be the last block: blocks cut from the end are found here."""
        self.proof.head = bytes(head["hash"]).hex()
        if (head["hash"], head["block"], head["seq"]) != (previous, number, seq) or (
            self.booked_at is not None and head["booked_at"] != self.booked_at
        ):
            self.fault("chain", "the head is not the last block")

    def close(self, holds: list[Any]) -> None:
        """Compare today's accounts and open holds with the end of the replay."""
        totals: dict[str, int] = {}
        self.proof.accounts = len(self.accounts)
        for key, row in self.accounts.items():
            now = (row["debits_pending"], row["debits_posted"], row["credits_pending"], row["credits_posted"])
            if now != self.counters.get(key, _NOTHING):
                self.fault("balances", f"account {key} holds other counters than its entries add up to")
            totals[row["unit"]] = totals.get(row["unit"], 0) + row["debits_posted"] - row["credits_posted"]
        for unit, total in totals.items():
            if total:
                self.fault("zero", f"debits and credits in {unit} differ by {total}")
        listed = {tuple(row) for row in holds}
        if listed != {(e.id, e.debit_key, e.credit_key, e.amount, _until(e)) for e in self.open.values()}:
            self.fault("holds", "the list of open holds is not what the entries leave open")


def _hash(block: Any, entries: list[Entry]) -> bytes:
    return block_hash(block["previous"], block["number"], block["booked_on"], block["booked_at"], entries)


def _until(hold: Entry) -> Any:
    return hold.booked_at + timedelta(seconds=hold.timeout) if hold.timeout else None
