"""Start: a server process, loading while its book is being made, and told to begin once it is there."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from feiqian.kernel.errors import Refused
from feiqian.kernel.settings import Settings

LOG = "demo-server.log"  # in the data folder
STOP_SECONDS_MAX = 15.0

# Timers ring often, since an hour of the town passes in a second or two.
_QUICK = {
    "FEIQIAN_HTTP_ACCESS_LOG": "false",
    "FEIQIAN_LOG_LEVEL": "warning",
    "FEIQIAN_JOBS_POLL_SECONDS": "0.2",
}


class ServerNotReady(Refused):
    """The server did not start. Its own words tell why."""

    code, status, zh = "server_not_ready", 503, "服务进程未能启动，原因见其输出。"


class Server:
    """A server that waits for its word. port: None takes the usual one, or another when that is taken."""

    def __init__(self, settings: Settings, command: Sequence[str], port: int | None) -> None:
        self._settings = settings
        self._command = command
        self._log = Path(settings.data_dir) / LOG
        self._wanted = port
        self._process = self._start(settings.http.port if port is None else port)

    def _start(self, port: int) -> subprocess.Popen[bytes]:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with open(self._log, "wb") as errors:
            return subprocess.Popen(  # noqa: S603 - ourselves, no shell
                [*self._command, "serve", "--wait", "--host", self._settings.http.host, "--port", str(port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **_QUICK},
                start_new_session=True,  # Ctrl-C is for us; we stop the server ourselves.
            )

    async def begin(self) -> str:
        """Tell it to begin. -> its address, once it answers. Raises: ServerNotReady."""
        address = await asyncio.to_thread(self._begin)
        if address is None and self._wanted is None:
            self.stop()
            self._process = self._start(0)  # Somebody has the usual port; any other will do.
            address = await asyncio.to_thread(self._begin)
        if address is None:
            said = self._log.read_text("utf-8", errors="replace").strip()
            raise ServerNotReady(said=said[-1_000:])
        return address

    def _begin(self) -> str | None:
        """What it says it listens on; None when it ends without a word."""
        pipes: Any = self._process
        try:
            pipes.stdin.write(b"begin\n")
            pipes.stdin.flush()  # and left open: the server ends when we do, however we end
        except BrokenPipeError:
            return None
        for line in pipes.stdout:
            word = line.decode().split()[-1:]
            if word and word[0].startswith("http"):
                return str(word[0])
        return None

    def stop(self) -> None:
        """End it; requests under way are finished first."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            print("The server does not end by itself; it is killed.", file=sys.stderr)
            self._process.kill()
            self._process.wait()


@contextmanager
def begin(settings: Settings, command: Sequence[str], port: int | None = None) -> Iterator[Server]:
    """A server loading in a process of its own, stopped at the end. command: how to call ourselves."""
    server = Server(settings, command, port)
    try:
        yield server
    finally:
        server.stop()
