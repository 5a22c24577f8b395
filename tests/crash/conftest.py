"""A folder on a real disk, a service in it, and the quarter that it serves."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.books import town
from tests.crash.history import History
from tests.crash.oracle import check
from tests.crash.quarter import Quarter, settle
from tests.crash.service import Service
from tests.street import street

__all__ = ["street", "town"]


@contextmanager
def on_disk() -> Iterator[Path]:
    """A folder that every account can pass through; not in memory, for what is killed must be on a disk."""
    path = Path(tempfile.mkdtemp(prefix="fq-"))
    path.chmod(0o711)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def disk() -> Iterator[Path]:
    """Such a folder for one test."""
    with on_disk() as path:
        yield path


@pytest.fixture
async def quarter(disk: Path) -> AsyncIterator[Quarter]:
    """The quarter, served; requests wait two seconds at most for a database or a lock."""
    service = Service(disk, FEIQIAN_DATABASE_PATIENCE_SECONDS="2")
    try:
        quarter = await settle(service)
        await service.start()
        yield quarter
    finally:
        await service.close()


@pytest.fixture
async def history(quarter: Quarter) -> AsyncIterator[History]:
    """What is asked of the quarter; after every test the oracle has its say."""
    history = History(quarter)
    yield history
    await check(history)
