"""The chain: each committed batch is a block whose hash covers the block before it and every byte booked.

A row changed, added or taken away behind the application's back no longer fits the hashes that
follow it. Published or printed, the newest hash fixes all history before it.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from feiqian.ledger.transfer import Entry

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_HEAD = struct.Struct(">qqqiq")
_ENTRY = struct.Struct(">q16siiqhh16si16si8q")
_NONE = bytes(16)


def canonical(entry: Entry) -> bytes:
    """The bytes of an entry that the chain covers: its columns, big-endian, absent ids as zeros.

    Days are proleptic ordinals. Left out are the day and the moment of booking, which are the block's.
    """
    return _ENTRY.pack(
        entry[0],
        entry[1].bytes,
        entry[2],
        entry[3],
        entry[4],
        entry[5],
        entry[6],
        entry[7].bytes if entry[7] is not None else _NONE,
        entry[8],
        entry[9].bytes if entry[9] is not None else _NONE,
        entry[10].toordinal(),
        *entry[13:],
    )


def block_hash(
    previous: bytes, number: int, booked_on: date, booked_at: datetime, entries: Sequence[Entry]
) -> bytes:
    """SHA-256 over the previous hash, the block's head and its entries' canonical bytes.

    The head is number, first and last sequence number, day, and moment in microseconds since 1970.
    """
    moment = (booked_at - _EPOCH) // _MICROSECOND
    head = _HEAD.pack(number, entries[0].seq, entries[-1].seq, booked_on.toordinal(), moment)
    return hashlib.sha256(b"".join((previous, head, *map(canonical, entries)))).digest()


def sums(entries: Iterable[Entry], units: Mapping[int, str]) -> dict[str, int]:
    """Minor units posted by these entries, per unit. units: account key -> unit."""
    total: dict[str, int] = {}
    for entry in entries:
        if not entry.flags & ~_POSTS:
            unit = units[entry.debit_key]
            total[unit] = total.get(unit, 0) + entry.amount
    return total


_POSTS = 2 | 8  # posts and plain transfers move money; holds, voids and expiries do not
