"""A small day, lived once for all tests here: two processes, real HTTP, a database of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from feiqian import wiring
from feiqian.kernel.book import Book
from feiqian.kernel.settings import load

DAY = ("--people", "30", "--shops", "10", "--payments", "300", "--seed", "4411", "--port", "0")


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """A data folder, in memory where there is room, so that its fsync costs nothing."""
    memory = Path("/dev/shm")
    room = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2**31
    path = Path(tempfile.mkdtemp(prefix="fq-day-", dir=memory if room else None))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def feiqian(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    command = [sys.executable, "-m", "feiqian", "--data-dir", str(data), *arguments]
    own = {name: value for name, value in os.environ.items() if not name.startswith("FEIQIAN_")}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=own)


@pytest.fixture(scope="module")
def day(data: Path) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """What the command said, and its line for machines."""
    done = feiqian(data, "demo", "--exit", "--json", *DAY)
    assert done.stdout, done.stderr
    return done, json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
async def book(data: Path, day: object) -> AsyncIterator[Book]:
    """The town's book after that day."""
    async with wiring.running(load(environ={}, flags={"data_dir": str(data)}).settings) as house:
        opened = await house.open_book("town")
        yield opened
        await opened.database.close()
