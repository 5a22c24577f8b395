"""What all benchmarks share: a server on a real disk, sides that take turns, lines that say what was found.

A measurement is an async generator of lines over a Lab. It compares sides by running them in turns, a
short stretch each, so that whatever else the machine does meets all of them alike: ratios are to be
trusted, absolute rates only on a quiet machine.
"""

from __future__ import annotations

import gc
import os
import platform
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from statistics import median

import asyncpg
import msgspec

from feiqian.kernel.book import Book
from feiqian.kernel.database import Database
from feiqian.kernel.migrate import migrate
from feiqian.kernel.postgres import Postgres

CORES = 2  # client and server share them, so that figures from machines of all sizes can be compared
SETTINGS = (
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "data_checksums",
    "shared_buffers",
    "wal_buffers",
    "wal_compression",
    "max_wal_size",
    "checkpoint_timeout",
)
_TICK = os.sysconf("SC_CLK_TCK")


class Line(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One thing measured. value is in unit; met says whether it reached target."""

    name: str
    value: float
    unit: str
    target: float | None = None
    met: bool | None = None
    p50_ms: float | None = None  # of one call
    p99_ms: float | None = None
    client_cpu_us: float | None = None  # per transfer, or whatever the unit counts
    server_cpu_us: float | None = None
    about: str = ""

    def __str__(self) -> str:
        text = f"{self.name:<34}{self.value:>12,.2f} {self.unit}"
        if self.target is not None:
            text += f"   target {self.target:g}: {'met' if self.met else 'MISSED'}"
        if self.p50_ms is not None and self.p99_ms is not None:
            text += f"   p50 {self.p50_ms:.2f} ms, p99 {self.p99_ms:.2f} ms"
        if self.client_cpu_us is not None and self.server_cpu_us is not None:
            text += f"   CPU {self.client_cpu_us:.1f} client + {self.server_cpu_us:.1f} server µs"
        return text + (f"   ({self.about})" if self.about else "")


@dataclass
class Side:
    """One of the things compared. stretch: prepares some work, then does it inside `Lab.timed`."""

    name: str
    stretch: Callable[[Side], Awaitable[None]]
    done: int = 0  # transfers
    seconds: float = 0.0
    calls_ms: list[float] = field(default_factory=list)
    client_cpu: float = 0.0  # seconds
    server_cpu: float = 0.0
    rates: list[float] = field(default_factory=list)  # transfers a second, of each stretch

    @property
    def rate(self) -> float:
        """Transfers a second over all stretches."""
        return self.done / self.seconds

    def forget(self) -> None:
        """Start counting again."""
        self.done, self.seconds, self.client_cpu, self.server_cpu = 0, 0.0, 0.0, 0.0
        self.calls_ms.clear()
        self.rates.clear()

    def line(self, unit: str = "transfers/s", about: str = "") -> Line:
        """This side's own figures."""
        return Line(
            name=self.name,
            value=round(self.rate, 1),
            unit=unit,
            p50_ms=round(percentile(self.calls_ms, 50), 3),
            p99_ms=round(percentile(self.calls_ms, 99), 3),
            client_cpu_us=round(self.client_cpu / self.done * 1e6, 2),
            server_cpu_us=round(self.server_cpu / self.done * 1e6, 2),
            about=about,
        )


def ratio(name: str, over: Side, under: Side, target: float, about: str = "") -> Line:
    """How many times as fast `over` is: the median over the rounds in which both took their turn."""
    value = median(a / b for a, b in zip(over.rates, under.rates, strict=True))
    return Line(
        name=name, value=round(value, 3), unit="times", target=target, met=value >= target, about=about
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent do not pass."""
    ordered = sorted(values)
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]


class Lab:
    """A running server, and what measurements need of it."""

    def __init__(self, postgres: Postgres, quick: bool) -> None:
        self.postgres = postgres
        self.quick = quick
        self._open: list[Database] = []

    async def book(self, name: str, folders: Sequence[tuple[str, Path]], size: int = 1) -> Book:
        """A fresh book of these modules' tables. size: connections."""
        await migrate(self.postgres.dsn, name, folders)
        database = Database(self.postgres.dsn, name, size, command_seconds_max=600)
        await database.open()
        self._open.append(database)
        return Book(name, "live", database)

    async def close(self) -> None:
        """Close the books."""
        for database in self._open:
            await database.close()

    async def settle(self) -> None:
        """Bring what was prepared to the disk and out of the collector's sight."""
        connection = await asyncpg.connect(self.postgres.admin_dsn)
        try:
            await connection.execute("vacuum analyze")
            await connection.execute("checkpoint")
        finally:
            await connection.close()
        gc.collect()
        gc.freeze()

    @asynccontextmanager
    async def timed(self, side: Side, count: int) -> AsyncIterator[None]:
        """Time the block as a stretch of count transfers; it appends to side.calls_ms itself."""
        server, client = self.server_cpu(), time.process_time()
        start = time.perf_counter()
        yield
        seconds = time.perf_counter() - start
        side.seconds += seconds
        side.done += count
        side.rates.append(count / seconds)
        side.client_cpu += time.process_time() - client
        side.server_cpu += self.server_cpu() - server

    def server_cpu(self) -> float:
        """CPU seconds of the server's processes so far, as well as the system tells; 0 where it does not."""
        try:
            first = int((self.postgres.data / "postmaster.pid").read_text().split()[0])
        except OSError:
            return 0.0
        ticks = 0
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(path.parent.name) == first:
                ticks += sum(map(int, fields[11:15]))  # its own and that of children that have ended
            elif int(fields[1]) == first:
                ticks += int(fields[11]) + int(fields[12])
        return ticks / _TICK


async def in_turns(rounds: int, *sides: Side, warm_up: int = 1) -> None:
    """Let the sides take turns, each round in the other order, after some rounds that do not count."""
    for round in range(-warm_up, rounds):
        if round == 0:
            for side in sides:
                side.forget()
        for side in sides if round % 2 else sides[::-1]:
            await side.stretch(side)


Lines = AsyncIterator[Line]
Measurement = Callable[[Lab], Lines]


@asynccontextmanager
async def laboratory(quick: bool) -> AsyncIterator[Lab]:
    """An embedded server with the settings it has in earnest, confined with us to the same few cores."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    folder = make_folder()
    postgres = Postgres(folder / "db")
    try:
        await postgres.start()
        lab = Lab(postgres, quick)
        try:
            yield lab
        finally:
            await lab.close()
            gc.unfreeze()
    finally:
        await postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


def make_folder() -> Path:
    """A fresh folder on a disk, in the one that FEIQIAN_BENCH_FOLDER names or else in /var/tmp.

    Raises: SystemExit when that is in memory, where a commit costs nothing.
    """
    base = os.environ.get("FEIQIAN_BENCH_FOLDER", "/var/tmp")
    if file_system(Path(base)) in ("tmpfs", "ramfs"):
        raise SystemExit(f"{base} is in memory; name a folder on a disk in FEIQIAN_BENCH_FOLDER")
    folder = Path(tempfile.mkdtemp(prefix="fq-bench-", dir=base))
    folder.chmod(0o711)  # the server's account must pass through
    return folder


async def surroundings(lab: Lab) -> dict[str, str]:
    """The machine and the server's settings, as the server itself tells them."""
    connection = await asyncpg.connect(lab.postgres.dsn)
    try:
        settings = {name: await connection.fetchval(f"show {name}") for name in SETTINGS}
    finally:
        await connection.close()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": processor(),
        "cores": f"{cores} of {os.cpu_count()}",
        "memory": f"{memory:.0f} GiB",
        "disk": file_system(lab.postgres.folder),
        "kernel": f"{platform.system()} {platform.release()}",
        "load": f"{os.getloadavg()[0]:.2f}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        **settings,
    }


def processor() -> str:
    """The processor's model as the system names it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def file_system(path: Path) -> str:
    """The kind of file system a folder lies on, or `unknown`."""
    best, kind = "", "unknown"
    try:
        for line in Path("/proc/mounts").read_text().splitlines():
            point, each = line.split()[1:3]
            if path.resolve().is_relative_to(point) and len(point) > len(best):
                best, kind = point, each
    except OSError:
        pass
    return kind
