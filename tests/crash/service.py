"""Service: `feiqian serve` as a process of its own over a database of its own, and ways to kill both."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg

from feiqian.kernel.postgres import NO_ANSWER, Postgres
from tests.crash.wire import Answer, Wire

START_SECONDS_MAX = 60.0


class Service:
    """One server process at a time. The database runs on between them, as it does in earnest."""

    def __init__(self, folder: Path, **environment: str) -> None:
        """environment: settings for the server, such as FEIQIAN_DATABASE_PATIENCE_SECONDS."""
        self.folder = folder
        self.postgres = Postgres(folder / "postgres")
        self.address = ""
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("FEIQIAN_")},
            "FEIQIAN_HTTP_ACCESS_LOG": "false",
            "FEIQIAN_JOBS_POLL_SECONDS": "0.2",
            **environment,
        }
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the server and wait until it says its address."""
        errors = (self.folder / "server.log").open("ab")
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "feiqian", "--data-dir", str(self.folder)),
            *("serve", "--host", "127.0.0.1", "--port", "0"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env=self._environment,
            start_new_session=True,
        )
        errors.close()
        assert self._process.stdout is not None
        async with asyncio.timeout(START_SECONDS_MAX):
            while line := (await self._process.stdout.readline()).decode():
                if line.startswith("feiqian serves "):
                    self.address = line.split()[-1]
                    break
            else:
                raise AssertionError((self.folder / "server.log").read_text()[-4000:])
        self._reading = asyncio.create_task(self._read(self._process.stdout))

    async def _read(self, output: asyncio.StreamReader) -> None:
        while await output.read(65_536):
            pass

    def signal(self, number: int) -> None:
        """Send a signal to the server's process."""
        assert self._process is not None
        self._process.send_signal(number)

    async def kill(self) -> None:
        """SIGKILL the server, and see it gone."""
        self.signal(signal.SIGKILL)
        await self.ended()

    async def ended(self) -> int:
        """Wait for the server's end. -> its exit code, negative for a signal"""
        assert self._process is not None
        async with asyncio.timeout(START_SECONDS_MAX):
            code = await self._process.wait()
            if self._reading is not None:
                await self._reading
        self._process = self._reading = None
        return code

    async def close(self) -> None:
        """End the server and the database."""
        if self._process is not None:
            await self.kill()
        await self.postgres.start()
        await self.postgres.stop(anyway=True)

    def postmaster(self) -> int:
        """The process id of the database server."""
        return int((self.postgres.data / "postmaster.pid").read_text().splitlines()[0])

    def wire(self, secret: str = "") -> Wire:
        """A connection to whatever address the server has now."""
        return Wire(lambda: self.address, secret)

    async def sql(self, statement: str, *values: Any, schema: str = "public") -> list[Any]:
        """Rows of a statement, as the superuser."""
        connection = await asyncpg.connect(
            self.postgres.admin_dsn, timeout=5, server_settings={"search_path": schema}
        )
        try:
            return list(await connection.fetch(statement, *values))
        finally:
            await connection.close()

    async def database_is_back(self) -> float:
        """Wait until the database answers a query. -> the moment"""

        async def answers() -> bool:
            try:
                return bool(await self.sql("select 1"))
            except NO_ANSWER:
                return False

        await until(answers)
        return monotonic()


async def until(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    """Return as soon as the condition holds."""
    end = monotonic() + seconds
    while not await condition():
        assert monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.005)


def said(answer: Answer | None) -> str:
    """An answer in short, for messages of tests."""
    return "no answer" if answer is None else f"{answer.status} {answer.raw[:300]!r}"
