"""One PostgreSQL for the whole run, however many workers; a schema of its own for each test.

FEIQIAN_TEST_DATABASE_URL names another server to use, and FEIQIAN_TEST_ADMIN_URL a superuser's address
of it, for the tests that play what only a superuser can do. The run's own lies in memory where there is
room, so that its fsync costs nothing.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from feiqian.kernel.postgres import Postgres

CLUSTER = "FEIQIAN_TEST_CLUSTER"  # the run's folder, told by the controller to its workers
SMALL = {"shared_buffers": "64MB", "max_wal_size": "256MB", "min_wal_size": "32MB", "max_connections": "200"}


def pytest_configure(config: pytest.Config) -> None:
    """Name the run's folder once, before any worker starts."""
    if not hasattr(config, "workerinput"):
        memory = Path("/dev/shm")
        room = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2**31
        base = memory if room else Path(tempfile.gettempdir())
        os.environ[CLUSTER] = str(base / f"feiqian-test-{os.getpid()}-{uuid4().hex[:8]}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the run's server after the last worker, and leave nothing behind."""
    if not hasattr(config, "workerinput") and CLUSTER in os.environ:
        folder = Path(os.environ.pop(CLUSTER))
        if folder.exists():
            in_thread(Postgres(folder).stop(anyway=True))
            shutil.rmtree(folder, ignore_errors=True)


def in_thread(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine, on a loop of its own, whatever runs here."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Every asynchronous test runs as the platform does, on uvloop."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session")
def dsn() -> str:
    """The address of a server to test on. Whichever worker asks first starts it."""
    external = os.environ.get("FEIQIAN_TEST_DATABASE_URL")
    if external:
        return external
    return str(in_thread(Postgres(Path(os.environ[CLUSTER]), SMALL).start()))


@pytest.fixture(scope="session")
def admin_dsn(dsn: str) -> str:
    """The superuser's address of the same database."""
    if "FEIQIAN_TEST_DATABASE_URL" in os.environ:
        return os.environ.get("FEIQIAN_TEST_ADMIN_URL", dsn)
    server = Postgres(Path(os.environ[CLUSTER]), SMALL)
    in_thread(server.start())
    return server.admin_dsn


@pytest.fixture
def schema(dsn: str) -> Iterator[str]:
    """The name of a schema nobody has made yet; dropped afterwards."""
    name = f"t_{uuid4().hex}"
    yield name

    async def drop() -> None:
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute(f'drop schema if exists "{name}" cascade')
        finally:
            await connection.close()

    in_thread(drop())


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short folder that every account can pass through, unlike pytest's tmp_path."""
    path = Path(tempfile.mkdtemp(prefix="fq-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def cluster(folder: Path) -> Iterator[Callable[..., Postgres]]:
    """Makes supervisors of one cluster for this test alone; whatever runs there is stopped at the end."""

    def supervise(**options: Any) -> Postgres:
        return Postgres(folder / "db", SMALL, **options)

    yield supervise
    if (folder / "db").exists():
        in_thread(Postgres(folder / "db").stop(anyway=True))
