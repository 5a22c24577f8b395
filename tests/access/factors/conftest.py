"""Alice with a telephone, in a book that can seal; hashes at little cost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from feiqian.access.factors.hashing import Costs, Hasher
from feiqian.kernel.errors import Refused
from feiqian.kernel.secret import new_keys
from feiqian.parties import NewParty, register
from tests.books import Town

CHEAP = Costs(memory_kib=256, passes=1)
ALICE, BOB, NOBODY = "13800138001", "13800138002", "13900139009"


@pytest.fixture
async def hasher() -> AsyncIterator[Hasher]:
    hasher = Hasher(CHEAP, threads=2)
    yield hasher
    hasher.close()


async def settle(town: Town, name: str, phone: str) -> UUID:
    town.book.sealing = town.book.sealing or new_keys()
    (party,) = await town.write(register, [NewParty("person", name, phone)])
    assert not isinstance(party, Refused)
    return party.id


@pytest.fixture
async def alice(town: Town) -> UUID:
    return await settle(town, "Alice Smith", ALICE)


@pytest.fixture
async def bob(town: Town) -> UUID:
    return await settle(town, "Bob", BOB)
