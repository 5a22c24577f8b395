"""Hashing: argon2id in a few threads of its own, so that nobody else waits for it.

The hash is made without the interpreter's lock, so other requests go on; the threads are fewer than the
cores, so that one core stays free for them. What waits too long in line is turned away.
"""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import msgspec
from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from feiqian.kernel.errors import Unavailable

T = TypeVar("T")

SALT_BYTES, HASH_BYTES = 16, 32


class Costs(msgspec.Struct, frozen=True):
    """What a hash costs: 64 MiB and 3 passes (RFC 9106, 4), in one lane, since each lane is a thread."""

    memory_kib: int = 65_536
    passes: int = 3
    lanes: int = 1


TODAY = Costs()


class Hasher:
    """Makes and checks hashes. One for a process. Its texts carry parameters and salt."""

    def __init__(self, costs: Costs = TODAY, threads: int | None = None, waiting_max: int = 64) -> None:
        """threads: at most so many at once; one less than there are cores when not given."""
        self._costs = costs
        self._maker = PasswordHasher(
            costs.passes, costs.memory_kib, costs.lanes, HASH_BYTES, SALT_BYTES, type=Type.ID
        )
        self._pool = ThreadPoolExecutor(threads or max(1, (os.cpu_count() or 2) - 1), "argon2")
        self._waiting = 0
        self._waiting_max = waiting_max
        salt, hash = _text(SALT_BYTES), _text(HASH_BYTES)
        self.dummy = f"$argon2id$v=19$m={costs.memory_kib},t={costs.passes},p={costs.lanes}${salt}${hash}"
        """Nobody's hash. Checking against it takes what checking against a real one takes."""

    async def hash(self, secret: str) -> str:
        """The hash as text. Raises: Unavailable when too many wait."""
        return await self._run(lambda: self._maker.hash(normal(secret)))

    async def check(self, encoded: str, secret: str) -> bool:
        """Whether the secret is the one this was made of. Raises: Unavailable when too many wait."""

        def verify() -> bool:
            try:
                return self._maker.verify(encoded, normal(secret))
            except (VerificationError, InvalidHashError):
                return False

        return await self._run(verify)

    def is_outdated(self, encoded: str) -> bool:
        """Whether a hash was made at other costs than today's."""
        made = extract_parameters(encoded)
        return Costs(made.memory_cost, made.time_cost, made.parallelism) != self._costs

    def close(self) -> None:
        """Let the threads end; what is under way is finished."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= self._waiting_max:
            raise Unavailable(reason="too many secrets are being checked")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1


def normal(secret: str) -> bytes:
    """The same bytes for the same signs, however a keyboard composes them."""
    return unicodedata.normalize("NFKC", secret).encode("utf-8", "surrogatepass")


def _text(size: int) -> str:
    return base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=")
