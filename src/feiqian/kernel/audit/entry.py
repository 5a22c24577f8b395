"""Entry: who, what, on which object, when, from where, with what result; and the bytes its hash covers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec

from feiqian.kernel.ids import new_id
from feiqian.kernel.mask import HIDDEN, is_secret, mask_text

DONE = "done"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_JSON = msgspec.json.Encoder(order="sorted")


class Actor(msgspec.Struct, frozen=True):
    """Who acts. name: `key_…`, `cli:<account of the machine>`, `system` or `nobody`.

    principal: whose key it is, the same after a rotation. peer: the address asked from.
    """

    name: str
    principal: UUID | None = None
    peer: str | None = None
    request: str | None = None


SYSTEM = Actor("system")
"""The platform itself: timers and whatever no caller asked for."""
NOBODY = Actor("nobody")
"""A caller who showed no valid key."""


class Note(msgspec.Struct, frozen=True):
    """What is to be written down. objects: public ids, the first being the one meant.

    result: `done`, or the code of the refusal. facts: made sound by `sound`. at: the book's moment.
    id: two notes of one id are one entry.
    """

    actor: Actor
    verb: str
    objects: tuple[str, ...]
    at: datetime
    result: str = DONE
    facts: Mapping[str, Any] = {}
    id: UUID = msgspec.field(default_factory=new_id)
    machine_at: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))


class Entry(msgspec.Struct, frozen=True):
    """A row of table audit_entry, its columns in their order."""

    seq: int
    id: UUID
    at: datetime
    machine_at: datetime
    actor: str
    principal: UUID | None
    peer: str | None
    request: str | None
    verb: str
    objects: list[str]
    result: str
    facts: dict[str, Any]
    hash: bytes


def entry_of(note: Note, seq: int, previous: bytes) -> Entry:
    """The entry that a note becomes behind the one whose hash is `previous`."""
    actor = note.actor
    bare = Entry(
        seq=seq,
        id=note.id,
        at=note.at,
        machine_at=note.machine_at,
        actor=actor.name,
        principal=actor.principal,
        peer=actor.peer,
        request=actor.request,
        verb=note.verb,
        objects=list(note.objects),
        result=note.result,
        facts=sound(note.facts),
        hash=b"",
    )
    return msgspec.structs.replace(bare, hash=entry_hash(previous, bare))


def canonical(entry: Entry) -> bytes:
    """The bytes of an entry: a JSON array of its columns in their order, but for the hash.

    No blanks, keys sorted, ids as 32 hex digits, moments as microseconds since 1970.
    """
    return _JSON.encode(
        [
            entry.seq,
            entry.id.hex,
            _micros(entry.at),
            _micros(entry.machine_at),
            entry.actor,
            None if entry.principal is None else entry.principal.hex,
            entry.peer,
            entry.request,
            entry.verb,
            entry.objects,
            entry.result,
            entry.facts,
        ]
    )


def entry_hash(previous: bytes, entry: Entry) -> bytes:
    """SHA-256 over the previous entry's hash and this one's bytes."""
    return hashlib.sha256(previous + canonical(entry)).digest()


def sound(value: Any) -> Any:
    """Facts as plain JSON values: what stands under a telling key is hidden, texts are masked.

    Numbers are kept: amounts and limits are what the log is for. What JSON does not know becomes text.
    """
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, Enum):
        return sound(value.value)
    if isinstance(value, str):
        # Half a surrogate pair and a zero cannot be stored.
        return mask_text(value.encode("utf-8", "replace").decode().replace("\0", ""), 200)
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, msgspec.Struct):
        return sound(msgspec.structs.asdict(value))
    if isinstance(value, Mapping):
        return {str(key): HIDDEN if is_secret(str(key)) else sound(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [sound(one) for one in value]
    return sound(str(value))


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
