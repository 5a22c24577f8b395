"""Verify: recompute the chain from the first entry on and compare it with what the tables say today."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from feiqian.kernel.audit.entry import Entry, entry_hash
from feiqian.kernel.audit.write import queries

if TYPE_CHECKING:
    from feiqian.kernel.book import Book

_PAGE = 1_000
_FAULTS_MAX = 20
_LOWEST = -(2**63)


class AuditProof(msgspec.Struct):
    """What a verification found. faults: the first few, in words with numbers, never with names."""

    entries: int = 0
    head: str = ""  # newest hash, hex; kept elsewhere, it fixes all entries up to it
    faults: list[str] = []

    @property
    def ok(self) -> bool:
        """The chain holds."""
        return not self.faults


async def verify(connection: Any) -> AuditProof:
    """Recompute every hash. Run it in one repeatable-read snapshot. Memory: one page of entries."""
    proof = AuditProof()
    previous, seq, at = bytes(32), 0, _LOWEST
    while rows := await queries.after(connection, seq=at, most=_PAGE):
        for row in rows:
            entry = Entry(*row)
            proof.entries += 1
            if entry.seq != seq + 1:
                _fault(proof, f"entry {entry.seq} follows entry {seq}: some are missing or were put in")
            if entry_hash(previous, entry) != entry.hash:
                _fault(proof, f"entry {entry.seq} was changed, or is not where it was written")
            # The stored hash goes on, so that one change is one fault.
            previous, seq, at = entry.hash, entry.seq, entry.seq
    head = await queries.head(connection)
    if head is None or (head["seq"], head["hash"]) != (seq, previous):
        _fault(proof, f"the head is not entry {seq}: entries were cut off, put in, or the head was changed")
    proof.head = "" if head is None else bytes(head["hash"]).hex()
    return proof


async def verify_book(book: Book) -> AuditProof:
    """Verify a book's log in a snapshot of its own."""
    async with (
        book.database.read() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        return await verify(connection)


def _fault(proof: AuditProof, text: str) -> None:
    if len(proof.faults) < _FAULTS_MAX:
        proof.faults.append(text)
