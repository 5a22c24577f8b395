"""A vault beside a book: its role, its keys in a folder of the test, and card numbers made up by rule."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from feiqian.kernel.ids import new_id
from feiqian.vault import Card, FileKeys, NewCard, Vault, bind
from feiqian.vault.furnish import furnish
from feiqian.vault.open_vault import drop_vault, open_vault
from tests.books import Town


async def vault_dsn_of(admin_dsn: str) -> str:
    """The vault's role on the run's server; every worker knows its password."""
    told = os.environ.get("FEIQIAN_TEST_CLUSTER", "") + "vault"
    return await furnish(admin_dsn, hashlib.sha256(told.encode()).hexdigest())


def made_up(prefix: str = "622202", length: int = 19, seed: int | None = None) -> str:
    """A number with a sound check digit that belongs to nobody we know."""
    chance = random.Random(seed)
    body = prefix + "".join(str(chance.randrange(10)) for _ in range(length - len(prefix) - 1))
    return body + check_digit(body)


def check_digit(body: str) -> str:
    """Luhn, written here once more, so that the finder of these tests owes nothing to the code."""
    total = 0
    for at, digit in enumerate(reversed(body)):
        doubled = int(digit) * (2 if at % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return str(-total % 10)


def new_card(number: str, owner: UUID | None = None, month: int = 9, year: int = 2030) -> NewCard:
    return NewCard(owner or new_id(), number, month, year)


async def bound(vault: Vault, number: str | None = None, owner: UUID | None = None) -> Card:
    return await bind(vault, new_card(number or made_up(), owner), "test")


@pytest.fixture
async def vault_dsn(admin_dsn: str) -> str:
    return await vault_dsn_of(admin_dsn)


@pytest.fixture
async def vault(town: Town, vault_dsn: str, tmp_path: Path) -> AsyncIterator[Vault]:
    """The vault of an empty sandbox book; three cards fill a data key."""
    keys = FileKeys(tmp_path / "keys" / "sandbox", "sandbox")
    vault = await open_vault(vault_dsn, town.book, keys, cards_per_key=3, pool_size=8)
    yield vault
    await vault.close()
    await drop_vault(vault_dsn, town.book.database.schema)
