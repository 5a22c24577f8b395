"""Write: append notes to the chain, in the transaction at hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from feiqian.kernel.audit.entry import Entry, Note, entry_of
from feiqian.kernel.queries import load

queries = load(Path(__file__).parent)

_JSON = msgspec.json.Encoder(order="sorted")


async def append(connection: Any, notes: Sequence[Note], *, is_act: bool) -> list[Entry]:
    """Put notes behind the last entry, in order. -> what was written; a note written before is left out.

    is_act: they speak of what this transaction changes, so that the tables let it commit. Two
    statements, whatever the number. The head stays locked until the commit: append last.
    """
    fresh = {note.id: note for note in reversed(notes)}
    head = await queries.lock_head(connection, ids=list(fresh))
    seq, previous = head["seq"], head["hash"]
    entries: list[Entry] = []
    for id, note in reversed(fresh.items()):
        if id not in head["known"]:
            entries.append(entry_of(note, seq + 1, previous))
            seq, previous = entries[-1].seq, entries[-1].hash
    await queries.append(
        connection,
        seq=seq,
        hash=previous,
        is_act=is_act,
        seqs=[one.seq for one in entries],
        ids=[one.id for one in entries],
        ats=[one.at for one in entries],
        machine_ats=[one.machine_at for one in entries],
        actors=[one.actor for one in entries],
        principals=[one.principal for one in entries],
        peers=[one.peer for one in entries],
        requests=[one.request for one in entries],
        verbs=[one.verb for one in entries],
        objects=[_JSON.encode(one.objects).decode() for one in entries],
        results=[one.result for one in entries],
        facts=[_JSON.encode(one.facts).decode() for one in entries],
        hashes=[one.hash for one in entries],
    )
    return entries
