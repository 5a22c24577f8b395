"""Wiring: the only place that chooses clock, database, keys and which functions answer to which names."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import UUID

from feiqian import jobs
from feiqian.access.factors.forget import forget_old_factors
from feiqian.instruments.device import forget_old_codes
from feiqian.kernel.book import Book, Turn
from feiqian.kernel.postgres import Postgres
from feiqian.kernel.registry import Kind, Registry
from feiqian.kernel.secret import load_keys
from feiqian.kernel.settings import Settings
from feiqian.payments import lapse, lapse_overdue
from feiqian.scenes.transfer import forget_payees
from feiqian.vault import FileKeys, NoVault, Vault
from feiqian.vault.destroy import destroy_data_key
from feiqian.vault.furnish import furnish
from feiqian.vault.open_vault import drop_vault, open_vault
from feiqian.vault.rotate import Rotated, rotate
from feiqian.vault.verify import VaultProof, verify
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
    """End holds whose timer failed; delete what time makes useless: codes, answers, look-ups."""
    await lapse_overdue(turn)
    await forget_old_codes(turn)
    await forget_old(turn)
    await forget_payees(turn)
    await forget_old_factors(turn)


WORK: dict[str, jobs.Work] = {"payments.lapse": _lapse}
"""What answers to the kinds of jobs."""


class Running:
    """A database reached, its books known; what commands and the server work with."""

    def __init__(self, settings: Settings, dsn: str, server: Postgres | None) -> None:
        self.settings = settings
        self.dsn = dsn
        self.server = server  # None when the database is somebody else's
        self.registry = Registry(dsn, SCHEMAS, self._drop_vault)

    async def open_book(self, name: str) -> Book:
        """One book, ready for use. Raises: NotFound."""
        return await self.registry.open(
            await self.registry.book(name),
            self.settings.database.pool_size,
            sealing=load_keys(Path(self.settings.data_dir)),
            codes=self.settings.code,
            patience_seconds=self.settings.database.patience_seconds,
        )

    async def open_vault(self, book: Book) -> Vault | None:
        """The book's vault, made if need be; None on a server of somebody else's that has no role for one."""
        dsn = await self._vault_dsn()
        return None if dsn is None else await open_vault(dsn, book, self.vault_keys(book.kind))

    def vault_keys(self, kind: Kind) -> FileKeys:
        """The key-encrypting keys for books of this kind."""
        folder = Path(self.settings.vault.key_dir or Path(self.settings.data_dir) / "vault-keys")
        return FileKeys(folder / kind, kind)

    async def _vault_dsn(self) -> str | None:
        if self.server is None:
            return self.settings.vault.url or None
        cluster = self.server.cluster
        password = cluster.known().get("vault_password")
        if password is None:
            password = cluster.remember(vault_password=secrets.token_urlsafe(32))["vault_password"]
        return await furnish(self.server.admin_dsn, password)

    async def _drop_vault(self, schema: str) -> None:
        dsn = await self._vault_dsn()
        if dsn is not None:
            await drop_vault(dsn, schema)

    async def serve(self, books: Sequence[Book]) -> App:
        """The application over these books, with jobs and the database's watch beside it."""
        settings = self.settings
        vaults = {book.name: await self.open_vault(book) for book in books}
        tasks = []
        if settings.jobs.enabled:
            tasks.append(lambda: jobs.run(books, WORK, _tidy, settings.jobs.poll_seconds))
        if self.server is not None:
            tasks.append(self.server.watch)
        return create_app(
            House(books, settings.batch.max_size, {name: each for name, each in vaults.items() if each}),
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


@asynccontextmanager
async def _vaults(settings: Settings, name: str | None) -> AsyncIterator[tuple[Running, dict[str, Vault]]]:
    """The vaults of all books, or of one, for who looks after them. Raises: NotFound, NoVault."""
    async with running(settings) as house, AsyncExitStack() as stack:
        await house.registry.migrate()
        names = [name] if name else [record.name for record in await house.registry.books()]
        vaults = {}
        for each in names:
            book = await house.open_book(each)
            stack.push_async_callback(book.database.close)
            vault = await house.open_vault(book)
            if vault is None:
                raise NoVault
            stack.push_async_callback(vault.close)
            vaults[each] = vault
        yield house, vaults


async def rotate_vaults(settings: Settings, who: str, retire: bool) -> dict[str, Rotated]:
    """New key-encrypting keys for every kind of book there is. -> by kind, what was done."""
    async with _vaults(settings, None) as (house, vaults):
        done = {}
        for kind in sorted({vault.book.kind for vault in vaults.values()}):
            theirs = [vault for vault in vaults.values() if vault.book.kind == kind]
            done[str(kind)] = await rotate(house.vault_keys(kind), theirs, who, retire=retire)
        return done


async def verify_vaults(settings: Settings, who: str, name: str | None) -> list[VaultProof]:
    """The proof of every vault, or of one book's."""
    async with _vaults(settings, name) as (_, vaults):
        return [await verify(vault, who) for vault in vaults.values()]


async def destroy_in_vault(settings: Settings, who: str, name: str, data_key: UUID, reason: str) -> int:
    """Destroy a data key in a book's vault. -> how many cards are unreadable from now on."""
    async with _vaults(settings, name) as (_, vaults):
        return await destroy_data_key(vaults[name], data_key, reason, who)
