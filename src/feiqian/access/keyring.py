"""Keyring: who is asking, what that key may do, and whose objects it may see.

Checking is on the way of every request, so a keyring remembers keys. It uses its memory only while it
is sure to hear of changes: the database tells every keyring of a rotation or revocation, and a keyring
proves that it hears by sending itself a word through the server and waiting for it. Whenever the
listening connection is lost, everything is forgotten and each check reads the database again.
"""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from time import monotonic
from uuid import UUID

from feiqian.access.issue import CHANNEL, as_key
from feiqian.access.key import SCOPES, ApiKey, BadScopes, Forbidden, Unauthenticated, digest, is_secret_for
from feiqian.kernel.book import Book
from feiqian.kernel.errors import NotFound, Unavailable
from feiqian.kernel.queries import load

queries = load(Path(__file__).parent)

# A dead network closes no connection; it is found out later than this.
REMEMBERED_SECONDS_MAX = 5.0
KEYS_MAX = 10_000
PROBE_PAUSE_SECONDS = 1.0

_PROBE = "probe"


class Keyring:
    """The keys of one book, for one process. Until opened it remembers nothing and works all the same."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._known: dict[bytes, tuple[ApiKey, float]] = {}
        self._hears = False
        self._losses = 0  # times the connection came or went
        self._generation = 0  # goes up whenever all is forgotten, also what is being read just now
        self._open = False
        self._probe: asyncio.Task[None] | None = None
        self._probed_at = 0.0
        self._heard: dict[str, asyncio.Event] = {}

    async def open(self) -> None:
        """Listen until the book's database is closed. Raises: Unavailable when no server answers."""
        self._open = True
        await self._book.database.listen(CHANNEL, self._hear)

    @property
    def remembers(self) -> bool:
        """Whether keys are remembered just now: only while changes to them are sure to be heard."""
        return self._hears

    async def check(self, secret: str) -> ApiKey:
        """The key whose secret this is.

        Raises: Unauthenticated, without saying whether the secret is malformed, of another kind of
        book, unknown or ended; Unavailable.
        """
        if not is_secret_for(self._book.kind, secret):
            raise Unauthenticated
        hashed = digest(secret)
        key = self._remembered(hashed) or await self._look_up(hashed)
        if key is None or key.has_ended(self._book.clock.now()):
            raise Unauthenticated
        return key

    async def catch_up(self) -> None:
        """Return when every change committed before this call has been heard.

        For whoever has just revoked a key and must not answer before it is dead in this process too.
        """
        try:
            async with asyncio.timeout(PROBE_PAUSE_SECONDS):
                await self._send_and_hear()
        except (TimeoutError, Unavailable):
            self._hears = False
            self._forget()

    def _remembered(self, hashed: bytes) -> ApiKey | None:
        if not self._hears:
            self._begin_probe()
            return None
        key, read_at = self._known.get(hashed, (None, 0.0))
        return key if monotonic() - read_at < REMEMBERED_SECONDS_MAX else None

    async def _look_up(self, hashed: bytes) -> ApiKey | None:
        generation, began_at = self._generation, monotonic()
        async with self._book.database.read() as connection:
            row = await queries.living_key(connection, secret_hash=hashed)
        if row is None:
            self._known.pop(hashed, None)
            return None
        key = as_key(row)
        # What was forgotten while reading may be the very thing that was read.
        if self._hears and generation == self._generation:
            if len(self._known) >= KEYS_MAX:
                self._known.clear()
            self._known[hashed] = (key, began_at)
        return key

    def _hear(self, payload: str | None) -> None:
        if payload is None:  # connected, or lost: either way something may have been missed
            self._losses += 1
            self._hears = False
            self._forget()
            self._probed_at = 0.0
            self._begin_probe()
            return
        schema, _, word = payload.partition(" ")
        if schema != self._book.database.schema:
            return
        if not word.startswith(_PROBE):
            self._forget()
        elif word in self._heard:
            self._heard[word].set()

    def _forget(self) -> None:
        self._generation += 1
        self._known.clear()

    def _begin_probe(self) -> None:
        if not self._open or (self._probe and not self._probe.done()):
            return
        if monotonic() - self._probed_at >= PROBE_PAUSE_SECONDS:
            self._probed_at = monotonic()
            self._probe = asyncio.get_running_loop().create_task(self._prove_hearing())

    async def _prove_hearing(self) -> None:
        losses = self._losses
        try:
            async with asyncio.timeout(PROBE_PAUSE_SECONDS):
                await self._send_and_hear()
        except (TimeoutError, Unavailable):
            return  # the next check tries again
        if losses == self._losses:
            self._hears = True

    async def _send_and_hear(self) -> None:
        """Notifications come in the order of commits: with our word, all before it have come."""
        word = f"{_PROBE}-{secrets.token_hex(8)}"
        heard = self._heard[word] = asyncio.Event()
        try:
            async with self._book.database.read() as connection:
                payload = f"{self._book.database.schema} {word}"
                await queries.notify(connection, channel=CHANNEL, payload=payload)
            await heard.wait()
        finally:
            del self._heard[word]


def allow(key: ApiKey, scope: str) -> None:
    """Pass, or say that the key lacks the scope. Raises: Forbidden; KeyError for a scope there is not."""
    SCOPES[scope]
    if scope not in key.scopes:
        raise Forbidden(scope=scope)


def owned_by(key: ApiKey, merchant_id: UUID | None) -> None:
    """Pass, or say that there is nothing: the one place where a key meets whose object it asks for.

    merchant_id: whose it is; None when no merchant's. A key bound to a merchant sees that merchant's
    only, any other key sees all. Raises: NotFound, as for an id that does not exist.
    """
    if key.merchant is not None and merchant_id != key.merchant:
        raise NotFound


def check_grant(key: ApiKey, scopes: tuple[str, ...], merchant: UUID | None) -> None:
    """Pass, or say that a key would give more than it has to another. Raises: Forbidden, NotFound."""
    owned_by(key, merchant)
    for scope in scopes:
        if scope not in SCOPES:
            raise BadScopes("scopes", known=" ".join(SCOPES))
        allow(key, scope)
