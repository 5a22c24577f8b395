"""Database: a pool of connections to one book's schema that outlives restarts of its server.

`run` is the way to write: one transaction, tried again when the server goes away. `read` lends a
connection, `transaction` a connection inside a transaction, `listen` calls back on notifications.

Connections go back to the pool as they are, to save a round trip each time. So no session state on
them: `set local` and not `set`, `pg_advisory_xact_lock` and not `pg_advisory_lock`, no `listen`.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, TypeVar

import asyncpg
import msgspec

from feiqian.kernel.errors import Unavailable

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Connection = Any  # asyncpg is untyped; a pooled connection is not an asyncpg.Connection but acts as one

SCHEMA = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
PAUSE_SECONDS = (0.01, 0.5)  # between tries: the first, and the longest

# The server ended the transaction and says itself that trying again may help.
CONFLICT = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InvalidCachedStatementError,  # the schema changed under a prepared statement
)
# The server or the connection is gone or going.
LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InternalClientError,  # the driver's answer between a server's last word and its hanging up
    ConnectionError,
)
# A statement ran into a limit of time, its own or that for a lock.
SLOW = (TimeoutError, asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError)
# While connecting, also: no socket file yet, no route, no answer.
NO_CONNECTION = (*LOST, asyncpg.InterfaceError, OSError, TimeoutError)


def check_schema(name: str) -> str:
    """The same name. Raises: ValueError when it is no lower-case schema name, or a reserved one."""
    if not SCHEMA.match(name) or name.startswith("pg_") or name == "information_schema":
        raise ValueError(f"not a schema name: {name!r}")
    return name


class Database:
    """A pool of connections whose unqualified names mean one schema."""

    def __init__(
        self,
        dsn: str,
        schema: str,
        size: int = 10,
        *,
        name: str = "feiqian",
        command_seconds_max: float = 30.0,
        patience_seconds: float = 10.0,
    ) -> None:
        """size: connections at most. name: shown by the server beside each of them.

        patience_seconds bounds every wait: for a connection, for a server that is away, for a lock;
        command_seconds_max bounds one statement, and the pause between two of a transaction: a process
        that stands still must not keep a book's turn.
        Raises: ValueError for a schema name that is not one.
        """
        self.schema = check_schema(schema)
        self.patience_seconds = patience_seconds
        self._size = size
        self._pool: Any = None
        self._listeners: set[asyncio.Task[None]] = set()
        self._reach: dict[str, Any] = {
            "dsn": dsn,
            "timeout": 5.0,
            "command_timeout": command_seconds_max,
            "statement_cache_size": 1000,
            "max_cached_statement_lifetime": 0,
            "max_cacheable_statement_size": 0,
            "server_settings": {
                "search_path": schema,
                "application_name": name,
                "lock_timeout": milliseconds(patience_seconds),
                "idle_in_transaction_session_timeout": milliseconds(command_seconds_max),
            },
        }

    async def open(self) -> None:
        """Make the pool and its first connection. Raises: Unavailable when no server answers in time."""
        self._pool = await asyncpg.create_pool(
            **self._reach,
            min_size=0,
            max_size=self._size,
            # Connections live on: their prepared statements are what makes them quick.
            max_queries=10_000_000,
            max_inactive_connection_lifetime=0,
            init=prepare,
            reset=leave,
        )
        await self._release(await self._acquire(monotonic() + self.patience_seconds))

    async def close(self) -> None:
        """Stop listening, wait up to 5 s for connections in use, then close them all."""
        for task in self._listeners:
            task.cancel()
        await asyncio.gather(*self._listeners, return_exceptions=True)
        if self._pool is None:
            return
        try:
            async with asyncio.timeout(5):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        """A connection outside of any transaction: each statement sees its own moment.

        Raises: Unavailable when there is none in time, when it is lost in use, and when a statement
        takes too long.
        """
        connection = await self._acquire(monotonic() + self.patience_seconds)
        try:
            yield connection
        except SLOW as error:
            raise Unavailable(reason="database too slow") from error
        except Exception as error:
            if drop_if_lost(error, connection):
                raise Unavailable(reason="database connection lost") from error
            raise
        finally:
            await self._release(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection inside one read committed transaction, committed when the block ends well.

        Raises: Unavailable as read does; if that happens at the end, the transaction may or may not
        have been committed.
        """
        async with self.read() as connection, connection.transaction(isolation="read_committed"):
            yield connection

    async def run(self, work: Callable[[Connection], Awaitable[Result]]) -> Result:
        """Do the work in one read committed transaction and return what it returns.

        When the server or the connection is lost, or the server ends the transaction to resolve a
        conflict, all of it is done again, until patience_seconds are used up. So work must be safe
        to run twice, and on rows of its own first run: a commit whose answer was lost may have
        happened. Work talks to the database only, and does not hide the driver's errors.
        Raises: Unavailable when patience is used up or a statement takes too long; whatever else
        work raises.
        """
        until = monotonic() + self.patience_seconds
        pause = PAUSE_SECONDS[0]
        while True:
            connection = await self._acquire(until)
            try:
                async with connection.transaction(isolation="read_committed"):
                    return await work(connection)
            except SLOW as error:
                raise Unavailable(reason="database too slow") from error
            except Exception as error:
                if not isinstance(error, CONFLICT) and not drop_if_lost(error, connection):
                    raise
                if monotonic() + pause > until:
                    raise Unavailable(reason="database transaction lost") from error
                log.info("doing a transaction again after %r", error)
            finally:
                await self._release(connection)
            await asyncio.sleep(pause)
            pause = min(pause * 2, PAUSE_SECONDS[1])

    async def listen(self, channel: str, callback: Callable[[str | None], None]) -> None:
        """From now until close(), call back with the payload of every notification on the channel.

        callback(None) means that notifications may have been missed: it comes after every connect,
        this first one too, and as soon as the connection is lost. It must be quick; what it raises
        is logged. Channels are not bound to a schema: put the schema's name into the channel's.
        Raises: Unavailable when no server answers in time.
        """
        listening: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._listen(channel, callback, listening), name=f"listen {channel}")
        self._listeners.add(task)
        task.add_done_callback(self._listeners.discard)
        try:
            async with asyncio.timeout(self.patience_seconds):
                await listening
        except TimeoutError as error:
            task.cancel()
            raise Unavailable(reason="no database") from error

    async def _listen(
        self, channel: str, callback: Callable[[str | None], None], listening: asyncio.Future[None]
    ) -> None:
        def tell(payload: str | None) -> None:
            try:
                callback(payload)
            except Exception:
                log.exception("a listener on %s failed", channel)

        pause = PAUSE_SECONDS[0]
        while True:
            connection: Connection = None
            try:
                connection = await asyncpg.connect(**self._reach)
                lost = asyncio.Event()
                connection.add_termination_listener(lambda _, lost=lost: lost.set())
                await connection.add_listener(channel, lambda *heard: tell(heard[-1]))
                tell(None)
                if not listening.done():
                    listening.set_result(None)
                pause = PAUSE_SECONDS[0]
                await until_lost(connection, lost)
            except NO_CONNECTION as error:
                log.info("listening on %s: %r", channel, error)
            except asyncpg.PostgresError as error:
                log.error("listening on %s: %r", channel, error)
            finally:
                if connection is not None:
                    connection.terminate()
                    tell(None)
            await asyncio.sleep(pause)
            pause = min(pause * 2, PAUSE_SECONDS[1])

    async def _acquire(self, until: float) -> Connection:
        """A live connection before the moment `until`, waiting out a restart of the server."""
        pause = PAUSE_SECONDS[0]
        while True:
            if self._pool is None or self._pool.is_closing():
                raise Unavailable(reason="database closed")
            try:
                return await self._pool.acquire(timeout=max(until - monotonic(), 0.01))
            except NO_CONNECTION as error:
                if isinstance(error, ValueError):  # A wrong address stays wrong.
                    raise
                if monotonic() + pause > until:
                    raise Unavailable(reason="no database connection") from error
            await asyncio.sleep(pause)
            pause = min(pause * 2, PAUSE_SECONDS[1])

    async def _release(self, connection: Connection) -> None:
        try:
            await self._pool.release(connection, timeout=5)
        except NO_CONNECTION as error:
            log.info("dropped a connection: %r", error)  # The pool has thrown it away already.


def milliseconds(seconds: float) -> str:
    """A limit of time as the server reads it, where 0 would mean none."""
    return f"{max(1, round(seconds * 1000))}ms"


def drop_if_lost(error: BaseException, connection: Connection) -> bool:
    """Whether this error means that the connection is of no more use; then it is dropped here."""
    try:
        if isinstance(error, LOST):
            connection.terminate()
            return True
        # The driver's word for a connection closed before the statement; also its word for misuse.
        return isinstance(error, asyncpg.InterfaceError) and bool(connection.is_closed())
    except asyncpg.InterfaceError:  # The pool has taken it back already, since it was closed.
        return True


async def until_lost(connection: Connection, lost: asyncio.Event) -> None:
    """Return when the connection is lost; ask every 15 s, since a dead network tells nobody."""
    while not lost.is_set():
        try:
            async with asyncio.timeout(15):
                await lost.wait()
        except TimeoutError:
            await connection.fetchval("select 1", timeout=5)


async def prepare(connection: Connection) -> None:
    """What every new connection needs: jsonb to and from plain Python values."""
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=encode_json, decoder=msgspec.json.decode, format="text"
    )


async def leave(connection: Connection) -> None:
    """Nothing: see the module's note on session state. The driver still ends open transactions."""


def encode_json(value: Any) -> str:
    """JSON text of any value msgspec knows."""
    return msgspec.json.encode(value).decode()
