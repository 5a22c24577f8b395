"""The vault in a house: made and dropped with its book, kept from the application, refused when weak."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from feiqian.kernel.postgres import Postgres
from feiqian.kernel.settings import load
from feiqian.vault.verify import verify
from feiqian.wiring import Running
from tests.vaults import bound

pytestmark = pytest.mark.anyio


async def test_a_vault_comes_and_goes_with_its_book_and_stays_the_vaults(
    cluster: Callable[..., Postgres], folder: Path
) -> None:
    server = cluster()
    settings = load(flags={"data_dir": str(folder)}, environ={}, folder=folder).settings
    house = Running(settings, await server.start(), server)
    await house.registry.migrate()
    await house.registry.create("town", "sandbox")
    book = await house.open_book("town")
    vault = await house.open_vault(book)
    assert vault is not None
    await bound(vault)
    keys = folder / "vault-keys" / "sandbox"
    assert keys.stat().st_mode & 0o777 == 0o600
    assert (await verify(vault, "test")).ok
    await vault.close()
    await book.database.close()

    # A lost password has the supervisor hand the database to the application anew; not the vault's part.
    await server.stop()
    server.cluster.remember(application_password="x" * 32)
    house = Running(settings, await server.start(), server)
    connection = await asyncpg.connect(server.dsn)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match=r"permission denied for schema"):
        await connection.fetch("select * from book_town_vault.card")
    await connection.fetch("select * from book_town.party")

    await house.registry.drop("town")
    left = await connection.fetch("select nspname from pg_namespace where nspname like 'book_town%'")
    assert left == []
    await connection.close()


@pytest.mark.parametrize(
    ("settings", "weak"),
    [
        ({}, []),
        ({"database.url": "postgresql://app:p@localhost/db"}, []),  # no cards kept there
        (
            {
                "database.url": "postgresql://app:p@localhost/db",
                "vault.url": "postgresql://cards:q@localhost/db",
                "vault.key_dir": "/etc/feiqian/keys",
            },
            [],
        ),
        (
            {
                "database.url": "postgresql://app:p@localhost/db",
                "vault.url": "postgresql://app:p@localhost/db",
                "vault.key_dir": "/etc/feiqian/keys",
            },
            ["vault.url and"],
        ),
        (
            {
                "database.url": "postgresql://app:p@localhost/db",
                "vault.url": "postgresql://app:p@127.0.0.1/db?sslmode=prefer",
                "vault.key_dir": "/etc/feiqian/keys",
            },
            ["vault.url and"],
        ),
        (
            {
                "database.url": "postgresql://app:p@localhost/db",
                "vault.url": "postgresql://cards:q@10.0.0.2/db",
                "vault.key_dir": "/etc/feiqian/keys",
            },
            ["vault.url goes"],
        ),
        (
            {
                "database.url": "postgresql://app:p@localhost/db",
                "vault.url": "postgresql://cards:q@localhost/db",
                "data_dir": "/var/lib/feiqian",
                "vault.key_dir": "/var/lib/feiqian/keys",
            },
            ["vault.key_dir is"],
        ),
        ({"vault.url": "postgresql://cards:q@localhost/db", "vault.key_dir": "/k"}, ["vault.url is"]),
    ],
)
def test_production_refuses_a_vault_that_is_none(
    settings: dict[str, Any], weak: list[str], tmp_path: Path
) -> None:
    easy = load(flags=settings, environ={}, folder=tmp_path).settings
    assert easy.refusals() == []
    assert "q@" not in repr(easy)
    hard = load(flags={**settings, "mode": "production"}, environ={}, folder=tmp_path).settings
    assert [" ".join(reason.split()[:2]) for reason in hard.refusals()] == weak
