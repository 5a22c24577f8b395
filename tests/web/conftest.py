"""One book and its door for each file of tests: they look, they refuse, or they make objects of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from feiqian.kernel.database import Database
from feiqian.kernel.migrate import migrate
from feiqian.vault import FileKeys
from feiqian.vault.open_vault import drop_vault, open_vault
from feiqian.wiring import SCHEMAS
from tests.vaults import vault_dsn_of
from tests.web.door import Door


@pytest.fixture(scope="module")
async def door(dsn: str, admin_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    """A whole application over an empty sandbox book."""
    schema = f"t_{uuid4().hex}"
    await migrate(dsn, schema, SCHEMAS)
    database = Database(dsn, schema, 8)
    await database.open()
    door = Door(dsn, database)
    keys = FileKeys(tmp_path_factory.mktemp("keys") / "sandbox", "sandbox")
    vault_dsn = await vault_dsn_of(admin_dsn)
    door.house.vaults["town"] = await open_vault(vault_dsn, door.town.book, keys)
    await door.open()
    yield door
    await door.close()
    await drop_vault(vault_dsn, schema)
    connection = await asyncpg.connect(dsn)
    await connection.execute(f'drop schema if exists "{schema}" cascade')
    await connection.close()
