"""A book, its door, and a hand that reaches past every rule."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from feiqian.kernel.audit.verify import AuditProof, verify
from tests.books import Town, town
from tests.web.conftest import door

__all__ = ["door", "town"]


@pytest.fixture
async def behind_the_back(admin_dsn: str, town: Town) -> AsyncIterator[Callable[..., Awaitable[None]]]:
    """Statements by somebody with all rights, whom triggers do not stop."""
    connection = await asyncpg.connect(admin_dsn, server_settings={"search_path": town.book.database.schema})
    await connection.execute("set session_replication_role = replica")

    async def change(statement: str, *values: Any) -> None:
        await connection.execute(statement, *values)

    yield change
    await connection.close()


async def proof_of(town: Town) -> AuditProof:
    """The log, verified."""
    return await town.read(verify)
