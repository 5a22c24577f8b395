"""Open vault: the tables beside a book's own, made by the vault's role, and the vault over them."""

from __future__ import annotations

from pathlib import Path

import asyncpg

from feiqian.kernel.book import Book
from feiqian.kernel.database import Database
from feiqian.kernel.migrate import migrate
from feiqian.vault.keys import KeyProvider
from feiqian.vault.safe import CARDS_PER_KEY, Vault

FOLDERS = (("vault", Path(__file__).parent / "schema"),)
POOL_SIZE = 4


async def open_vault(
    dsn: str, book: Book, keys: KeyProvider, cards_per_key: int = CARDS_PER_KEY, pool_size: int = POOL_SIZE
) -> Vault:
    """The book's vault, ready for use; its tables are made or brought up to date. Close it when done.

    dsn: for the vault's role.
    Raises: what Vault.open and migrate raise.
    """
    schema = schema_beside(book.database.schema)
    await migrate(dsn, schema, FOLDERS)
    patience = book.database.patience_seconds
    database = Database(dsn, schema, pool_size, name="feiqian vault", patience_seconds=patience)
    vault = Vault(book, database, keys, cards_per_key)
    try:
        await vault.open()
    except BaseException:
        await vault.close()
        raise
    return vault


async def drop_vault(dsn: str, schema: str) -> None:
    """Remove the vault beside a book's schema, with every card in it. dsn: for the vault's role."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        await connection.execute(f'drop schema if exists "{schema_beside(schema)}" cascade')
    finally:
        await connection.close(timeout=5)


def schema_beside(schema: str) -> str:
    """The name of the vault's schema for a book's."""
    return f"{schema}_vault"
