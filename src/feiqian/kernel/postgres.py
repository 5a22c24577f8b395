"""Postgres: the embedded PostgreSQL 18, supervised: started or adopted, kept running, stopped.

The files are those of cluster.py. The server outlives the program that started it unless that
program stops it; the next one adopts it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import asyncpg

from feiqian.kernel.cluster import SUPERUSER, Cluster, NotStarted, free_port, privately
from feiqian.kernel.furnish import APPLICATION, Reach, furnish

log = logging.getLogger(__name__)

START_SECONDS_MAX = 120.0  # crash recovery replays up to max_wal_size
STOP_SECONDS_MAX = 60.0
# What a bank may not switch off: a commit that was answered must be on the disk.
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
# The driver's internal error is its answer to a server that dies while it is being greeted.
NO_ANSWER = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


class Postgres:
    """One cluster in one folder: start it or adopt it, keep it running, stop it if it is ours."""

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str] | None = None,
        *,
        account: str = "nobody",
        binaries: Path | None = None,
    ) -> None:
        """settings: server parameters that replace ours, except those that make commits durable.

        account: who runs the server when we are root; an existing cluster stays with its owner.
        binaries: the install folder that holds bin/postgres; without it, that of the package.
        Raises: ValueError when a setting would make commits less durable.
        """
        self.cluster = Cluster(folder, account, binaries)
        self.folder, self.data = self.cluster.folder, self.cluster.data
        self.settings = {**recommended(memory_bytes()), **(settings or {}), **DURABLE}
        for name, value in (settings or {}).items():
            if not re.fullmatch(r"[a-z_]+(\.[a-z_]+)?", name) or "\0" in value:
                raise ValueError(f"not a server parameter: {name}")
            if DURABLE.get(name, value) != value:
                raise ValueError(f"{name} must stay {DURABLE[name]}")
        self._process: subprocess.Popen[bytes] | None = None
        self._guard = asyncio.Lock()
        self._stopping = False
        self._reach: Reach | None = None

    @property
    def dsn(self) -> str:
        """Where the server answers the application, by Unix socket. Only after start()."""
        return self._address(APPLICATION)

    @property
    def tcp_dsn(self) -> str:
        """The same on 127.0.0.1. Only after start()."""
        return self._address(APPLICATION, tcp=True)

    @property
    def admin_dsn(self) -> str:
        """The same database for the superuser: for maintenance by people, never for the application."""
        return self._address(SUPERUSER)

    @property
    def is_ours(self) -> bool:
        """Whether this object started the server that runs now; an adopted one is not ours."""
        return self._process is not None and self._process.poll() is None

    async def start(self) -> str:
        """Make the server run, or find it running, and wait until it answers. Returns its DSN.

        Port, socket and password are kept in the folder, so that the DSN survives restarts.
        Raises: UnreachableFolder; NotStarted when it stops at once or recovers for over 120 s (it
        then keeps recovering, and a later start adopts it).
        """
        async with self._guard:
            self._stopping = False
            return await self._start()

    async def stop(self, *, anyway: bool = False) -> None:
        """Stop the server if this object started it. anyway: also one that somebody else started.

        Sessions are ended and the cluster is left clean; after 60 s it is stopped hard, which costs
        the next start a recovery and no data.
        """
        self._stopping = True
        async with self._guard:
            if self.is_ours:
                assert self._process is not None
                pid = self._process.pid
            elif anyway and await self._answers():
                pid = int(self.cluster.pid_file()[0])
            else:
                return
            for how in (signal.SIGINT, signal.SIGQUIT):
                os.kill(pid, how)
                if await self._ended(time.monotonic() + STOP_SECONDS_MAX):
                    break
            if self._process is not None:
                self._process.poll()
                self._process = None
            self.cluster.forget_socket()

    async def watch(self) -> None:
        """Keep the server running until stop(): run this as a task beside the work.

        A server that died is started again within about a second, whoever started it before; when
        that fails it is tried for ever, with pauses growing to 10 s.
        """
        pause = 0.1
        while not self._stopping:
            if self._is_alive():
                pause = 0.1
                self.cluster.trim_log()
                await asyncio.sleep(0.25)
                continue
            log.warning("the database server is gone; starting it again")
            try:
                async with self._guard:
                    if not self._stopping:
                        await self._start()
            except Exception as error:  # Whatever it is: a supervisor that gives up is none.
                log.error("the database server did not start: %s", error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 10.0)

    async def _start(self) -> str:
        until = time.monotonic() + START_SECONDS_MAX
        if not self.is_ours:
            self._process = None
        await asyncio.to_thread(self.cluster.make_folder)
        while time.monotonic() < until and not self._stopping:
            lock = self.cluster.take_lock()
            if lock is None:  # It runs, is being started by somebody, or its last backends are leaving.
                if await self._answers():
                    return self.dsn
                await asyncio.sleep(0.05)
                continue
            log_from = self.cluster.log_size()
            try:
                if await self._answers():  # Started by hand, outside of our lock.
                    return self.dsn
                await asyncio.to_thread(self._launch, lock)
            finally:
                os.close(lock)  # The server holds its own copy by now.
            if await self._ready(until):
                return self.dsn
            said = self.cluster.log_tail(log_from)
            if self._process is not None and self._process.poll() is None:
                raise NotStarted(folder=self.folder, reason="still recovering", log=said)
            self._process = None
            if "could not bind" in said:
                log.warning("the database's port is taken; choosing another")
                self.cluster.remember(port=free_port())
            elif "shared memory block" not in said:  # Else a backend of the last server is leaving.
                self.cluster.forget_socket()
                raise NotStarted(folder=self.folder, log=said)
            await asyncio.sleep(0.2)
        reason = "stopped meanwhile" if self._stopping else "no answer"
        raise NotStarted(folder=self.folder, reason=reason, log=self.cluster.log_tail(0))

    async def _ready(self, until: float) -> bool:
        """Whether the server just launched answers before it exits and in time."""
        assert self._process is not None
        while self._process.poll() is None and time.monotonic() < until and not self._stopping:
            if await self._answers():
                return True
            await asyncio.sleep(0.02)
        return False

    async def _ended(self, until: float) -> bool:
        """Whether the server is gone before that moment."""
        while self._is_alive():
            if time.monotonic() > until:
                return False
            await asyncio.sleep(0.02)
        return True

    async def _answers(self) -> bool:
        """Whether the server of this very folder answers, and lets the application in. Learns its address."""
        lines = self.cluster.pid_file()
        if len(lines) < 8 or not lines[7].startswith("ready") or "password" not in self.cluster.known():
            return False  # Without this look, every try during a recovery would leave a line in the log.
        reach = Reach(lines[4], int(lines[3]))
        try:
            if not await furnish(self.cluster, reach):
                return False
        except NO_ANSWER as error:
            log.debug("no answer from %s: %r", reach.sockets, error)
            return False
        self._reach = reach
        return True

    def _address(self, role: str, *, tcp: bool = False) -> str:
        if self._reach is None:
            return ""
        password = "application_password" if role == APPLICATION else "password"
        return self._reach.dsn(role, self.cluster.known()[password], tcp=tcp)

    def _launch(self, lock: int) -> None:
        """Everything between an empty folder and a running postmaster; blocking. lock: open, ours."""
        account = self.cluster.account()
        install = self.cluster.install(account)
        known = self.cluster.known()
        if "password" not in known:
            # A cluster without its password file is one we cannot enter: say so, do not make a new one.
            if self.data.exists():
                raise NotStarted(folder=self.folder, reason="connection.json is missing")
            known = self.cluster.remember(password=secrets.token_urlsafe(32), port=free_port())
        if not self.data.exists():
            self.cluster.make(install, account, known["password"])
        sockets = self.cluster.socket_folder(account)
        options = {
            **self.settings,
            "listen_addresses": "127.0.0.1",
            "port": str(known["port"]),
            "unix_socket_directories": str(sockets),
            "unix_socket_permissions": "0700",
        }
        environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
        stale = self.cluster.pid_file()
        if stale and stale[0].isdigit():
            # PostgreSQL's own way to say that this process is not a server: it may be a zombie, or a
            # stranger that got the number. Its second check, of shared memory in use, stays in force.
            environment["PG_GRANDPARENT_PID"] = stale[0]
        command = [str(install / "bin" / "postgres"), "-D", str(self.data)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        self.cluster.trim_log(1024 * 1024)
        with open(self.folder / "postgres.log", "ab", opener=privately) as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own binaries, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=environment,
                pass_fds=(lock,),
                start_new_session=True,  # Ctrl-C in a terminal must not reach the server.
                **(account.identity if account else {}),
            )

    def _is_alive(self) -> bool:
        if self._process is not None:
            return self._process.poll() is None
        lock = self.cluster.take_lock()
        if lock is not None:
            os.close(lock)
        return lock is None


def recommended(memory: int) -> dict[str, str]:
    """Server parameters for a machine with so many bytes of memory."""
    megabyte = 1024 * 1024
    buffers = min(max(memory // 8, 128 * megabyte), 1024 * megabyte)
    return {
        "shared_buffers": f"{buffers // megabyte}MB",
        "effective_cache_size": f"{max(memory // 2, 256 * megabyte) // megabyte}MB",
        "work_mem": "16MB",
        "maintenance_work_mem": f"{buffers // 4 // megabyte}MB",
        "huge_pages": "try",
        "max_connections": "100",
        "jit": "off",
        "max_wal_size": "4GB",
        "min_wal_size": "256MB",
        "checkpoint_timeout": "15min",
        "wal_compression": "off",  # the packaged build has pglz alone, which slows what follows a checkpoint
        "random_page_cost": "1.1",
        # Hot rows are updated often: vacuum them early and quickly.
        "autovacuum_naptime": "15s",
        "autovacuum_vacuum_scale_factor": "0.05",
        "autovacuum_analyze_scale_factor": "0.05",
        "autovacuum_vacuum_cost_limit": "2000",
        "idle_in_transaction_session_timeout": "5min",  # a forgotten transaction must not hold locks for ever
        "password_encryption": "scram-sha-256",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_error_verbosity": "terse",  # details quote the values of rows, and those are people's
    }


def memory_bytes() -> int:
    """Memory of this machine, or of this container where it has less."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        limit = "max"
    return min(memory, int(limit)) if limit.isdigit() else memory
