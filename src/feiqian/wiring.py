"""Wiring: the only place that chooses clock, database, keys and which functions answer to which names."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from feiqian import jobs
from feiqian.instruments.device import forget_old_codes
from feiqian.kernel.book import Book, Turn
from feiqian.kernel.postgres import Postgres
from feiqian.kernel.registry import Registry
from feiqian.kernel.secret import load_keys
from feiqian.kernel.settings import Settings
from feiqian.payments import lapse
from feiqian.web.app import App, create_app
from feiqian.web.house import House
from feiqian.web.once import forget_old

_HERE = Path(__file__).parent

SCHEMAS = tuple(
    (name, _HERE / name / "schema")
    for name in (
        "kernel",
        "ledger",
        "parties",
        "access",
        "instruments",
        "merchants",
        "payments",
        "scenes/shop",
        "scenes/transfer",
    )
)
"""Tables of a book, module by module, each after what it builds on."""


async def _lapse(turn: Turn, due: Sequence[jobs.Job]) -> None:
    await lapse(turn, [job.subject for job in due if job.subject is not None])


async def _tidy(turn: Turn) -> None:
    """What time makes useless: spent codes no device shows any more, answers nobody asks for."""
    await forget_old_codes(turn)
    await forget_old(turn)


WORK: dict[str, jobs.Work] = {"payments.lapse": _lapse}
"""What answers to the kinds of jobs."""


class Running:
    """A database reached, its books known; what commands and the server work with."""

    def __init__(self, settings: Settings, dsn: str, server: Postgres | None) -> None:
        self.settings = settings
        self.dsn = dsn
        self.server = server  # None when the database is somebody else's
        self.registry = Registry(dsn, SCHEMAS)

    async def open_book(self, name: str) -> Book:
        """One book, ready for use. Raises: NotFound."""
        return await self.registry.open(
            await self.registry.book(name),
            self.settings.database.pool_size,
            sealing=load_keys(Path(self.settings.data_dir)),
            codes=self.settings.code,
            patience_seconds=self.settings.database.patience_seconds,
        )

    async def serve(self, books: Sequence[Book]) -> App:
        """The application over these books, with jobs and the database's watch beside it."""
        settings = self.settings
        tasks = []
        if settings.jobs.enabled:
            tasks.append(lambda: jobs.run(books, WORK, _tidy, settings.jobs.poll_seconds))
        if self.server is not None:
            tasks.append(self.server.watch)
        return create_app(
            House(books, settings.batch.max_size),
            body_bytes_max=settings.http.body_bytes_max,
            access_log=settings.http.access_log,
            tasks=tasks,
        )


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Running]:
    """Reach the database, starting our own when no other is named; stop it again if we started it.

    Raises: UnsafeSettings, and what the database says when it cannot be reached.
    """
    settings.check()
    if settings.database.url:
        yield Running(settings, settings.database.url, None)
        return
    folder = Path(settings.data_dir)
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    server = Postgres(folder / "postgres")
    dsn = await server.start()
    try:
        yield Running(settings, dsn, server)
    finally:
        await server.stop()
