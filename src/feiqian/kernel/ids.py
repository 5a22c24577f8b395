"""Ids: 128 bits, time-ordered (UUIDv7, RFC 9562), shown to people with a prefix that names the kind.

Inside, an id is asyncpg's UUID (a uuid.UUID that is quick to make and to send); outside it is
`pay_01932c5e8f4a7b3c9d2e1f0a5b6c7d8e`. Code never parses an id for meaning: the prefix is checked
at the door and dropped.
"""

from __future__ import annotations

import os
import re
import struct
import time
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as _FastUUID

from feiqian.kernel.errors import NotFound

_PAGE = 4096
_NUMBER = struct.Struct(">Q")
_HEX = re.compile(r"[0-9a-f]{32}\Z")
_last_tick = 0
_chance: list[tuple[int]] = []  # drawn from the system a page at a time: a call for each id costs more


def _forget_chance() -> None:
    """Two processes must never draw from one page."""
    _chance.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_chance)


def _draw() -> int:
    if not _chance:
        _chance.extend(_NUMBER.iter_unpack(os.urandom(_PAGE)))
    return _chance.pop()[0]


def new_id(at_ms: int | None = None) -> UUID:
    """A new UUIDv7. at_ms: Unix milliseconds; without it the machine's clock, never going back.

    The 12 bits after the milliseconds are a fraction of the millisecond, so that ids made one after
    another by one process sort in that order; 62 random bits follow.
    """
    global _last_tick
    if at_ms is None:
        tick = time.time_ns() * 4096 // 1_000_000
        if tick <= _last_tick:
            tick = _last_tick + 1
        _last_tick = tick
    else:
        tick = (at_ms << 12) | _draw() >> 52
    head = (tick >> 12) << 80 | 0x7 << 76 | (tick & 0xFFF) << 64
    tail = 0b10 << 62 | _draw() >> 2
    return _FastUUID((head | tail).to_bytes(16, "big"))  # type: ignore[no-any-return]


def as_id(value: bytes | str | UUID) -> UUID:
    """The same id as the quick kind. value: 16 bytes, 32 hex digits or any UUID."""
    return _FastUUID(value.bytes if isinstance(value, UUID) else value)  # type: ignore[no-any-return]


def show(prefix: str, value: UUID) -> str:
    """The public form: `show("pay", id)` is `pay_` and 32 hex digits."""
    return f"{prefix}_{value.hex}"


def read(prefix: str, text: str, param: str | None = None) -> UUID:
    """The id behind its public form.

    Raises: NotFound when the prefix or the digits are not those of such an id: an id of another
    kind must look exactly like an id that does not exist.
    """
    head, _, digits = text.partition("_")
    if head != prefix or not _HEX.match(digits):
        raise NotFound(param)
    return _FastUUID(digits)  # type: ignore[no-any-return]
