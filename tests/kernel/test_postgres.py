"""The embedded server: started once, adopted after that, and back soon after any kind of death."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg
import pytest

from feiqian.kernel.cluster import NotStarted, UnreachableFolder, free_port, packaged_binaries
from feiqian.kernel.furnish import APPLICATION, DATABASE
from feiqian.kernel.postgres import Postgres, recommended

pytestmark = pytest.mark.anyio
Supervise = Callable[..., Postgres]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


async def ask(dsn: str, sql: str) -> Any:
    connection = await asyncpg.connect(dsn, timeout=5)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def pid_of(server: Postgres) -> int:
    return int((server.data / "postmaster.pid").read_text().splitlines()[0])


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def process_status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


async def gone(pid: int) -> bool:
    for _ in range(200):
        if not is_running(pid):
            return True
        await asyncio.sleep(0.02)
    return False


@contextmanager
def stranger() -> Iterator[int]:
    """A living process of the server's account that is no server."""
    account: dict[str, Any] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    process = subprocess.Popen(["sleep", "60"], cwd="/", **account)
    try:
        yield process.pid
        assert process.poll() is None, "the stranger was harmed"
    finally:
        process.kill()
        process.wait()


async def test_first_start_makes_a_safe_cluster(cluster: Supervise) -> None:
    server = cluster()
    dsn = await server.start()
    assert server.is_ours
    assert os.getsid(pid_of(server)) == pid_of(server), "Ctrl-C in our terminal would reach it"
    assert await ask(dsn, "select current_setting('server_version_num')::int / 10000") == 18
    for name, value in {
        "data_checksums": "on",
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "shared_buffers": "64MB",
        "listen_addresses": "127.0.0.1",
        "server_encoding": "UTF8",
        "max_connections": "200",
    }.items():
        assert await ask(dsn, f"show {name}") == value, name
    locale = "select datlocprovider::text || datlocale from pg_database where datname = current_database()"
    assert await ask(dsn, locale) == "bC.UTF-8"


async def test_nobody_gets_in_without_the_password(cluster: Supervise) -> None:
    server = cluster()
    await server.start()
    assert await ask(server.tcp_dsn, "select 1") == 1
    secret = server.folder / "connection.json"
    known = json.loads(secret.read_text())
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    log = (server.folder / "postgres.log").read_text()
    for name, dsn in (
        ("application_password", server.dsn),
        ("application_password", server.tcp_dsn),
        ("password", server.admin_dsn),
    ):
        assert known[name] in dsn
        assert known[name] not in log
        with pytest.raises(asyncpg.InvalidPasswordError):
            await ask(dsn.replace(known[name], "guess"), "select 1")
    doors = await ask(server.admin_dsn, "select string_agg(distinct auth_method, ',') from pg_hba_file_rules")
    assert doors == "scram-sha-256"
    assert not list(server.folder.glob(".password-*"))


async def test_the_application_is_an_ordinary_role(cluster: Supervise) -> None:
    """F5: the role that programs come as owns its database, and is no superuser."""
    server = cluster()
    dsn = await server.start()
    rights = "rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls"
    assert await ask(dsn, f"select {rights} from pg_roles where rolname = current_user") is False
    assert await ask(dsn, "select pg_get_userbyid(datdba) from pg_database where datname = 'feiqian'") == (
        await ask(dsn, "select current_user::text")
    )
    await ask(dsn, "create schema book_mine")
    for forbidden in (
        "set session_replication_role = replica",
        "create role thief superuser",
        "alter system set fsync = off",
        "select pg_read_file('/etc/passwd')",
        "copy (select 1) to program 'true'",
        "set role feiqian",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await ask(dsn, forbidden)
    assert await ask(server.admin_dsn, "select rolsuper from pg_roles where rolname = current_user")


async def test_a_folder_older_than_the_applications_role_is_handed_over(cluster: Supervise) -> None:
    """Tables, identity columns, functions and revoked privileges go to the application's role."""
    server = cluster()
    await server.start()
    old = await asyncpg.connect(server.admin_dsn)
    await old.execute(f"""
        alter database {DATABASE} owner to current_user;
        create schema book_old;
        create table book_old.account (key int generated always as identity, n int);
        create function book_old.refuse() returns trigger language plpgsql as 'begin return null; end';
        create trigger refuse before delete on book_old.account execute function book_old.refuse();
        revoke delete on book_old.account from public, current_user""")
    await old.close()
    admin = await asyncpg.connect(server.admin_dsn.replace(f"/{DATABASE}?", "/postgres?"))
    await admin.execute(f"drop role {APPLICATION}")
    await admin.close()
    await server.stop()
    secret = server.folder / "connection.json"
    known = json.loads(secret.read_text())
    del known["application_password"]
    secret.write_text(json.dumps(known))

    servers = [cluster() for _ in range(3)]
    (dsn, *others) = await asyncio.gather(*(server.start() for server in servers))
    assert set(others) == {dsn}
    await ask(dsn, "insert into book_old.account (n) values (7)")
    await ask(dsn, "alter table book_old.account add column note text")
    await ask(dsn, "drop function book_old.refuse cascade")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await ask(dsn, "delete from book_old.account")
    assert await ask(dsn, "select key from book_old.account") == 1


async def test_a_lost_password_of_the_application_is_replaced(cluster: Supervise) -> None:
    server = cluster()
    dsn = await server.start()
    await ask(dsn, "create table kept as select 7 as n")
    server.cluster.remember(application_password="another")
    again = cluster()
    assert await ask(await again.start(), "select n from kept") == 7
    with pytest.raises(asyncpg.InvalidPasswordError):
        await ask(dsn, "select 1")


async def test_a_second_start_adopts_and_does_not_stop(cluster: Supervise) -> None:
    first, second = cluster(), cluster()
    dsn = await first.start()
    pid = pid_of(first)
    assert await second.start() == dsn
    assert (second.is_ours, pid_of(second)) == (False, pid)
    await second.stop()
    assert await ask(dsn, "select 1") == 1
    await first.stop()
    assert await gone(pid)
    with pytest.raises((OSError, asyncpg.PostgresError)):
        await ask(dsn, "select 1")


async def test_the_address_and_the_rows_outlive_a_stop(cluster: Supervise) -> None:
    server = cluster()
    dsn = await server.start()
    await ask(dsn, "create table kept as select 7 as n")
    await server.stop()
    assert await cluster().start() == dsn
    assert await ask(dsn, "select n from kept") == 7


async def test_starting_twice_at_once_makes_one_server(cluster: Supervise) -> None:
    servers = [cluster() for _ in range(4)]
    dsns = await asyncio.gather(*(server.start() for server in servers))
    assert len(set(dsns)) == 1
    assert [server.is_ours for server in servers].count(True) == 1


async def test_a_server_outlives_its_starter_and_is_adopted(
    cluster: Supervise, caplog: pytest.LogCaptureFixture
) -> None:
    server = cluster()
    program = (
        "import asyncio, sys; from pathlib import Path; from feiqian.kernel.postgres import Postgres;"
        "print(asyncio.run(Postgres(Path(sys.argv[1])).start()))"
    )
    starter = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(server.folder), stdout=subprocess.PIPE
    )
    said, _ = await starter.communicate()
    assert await server.start() == said.decode().strip()
    assert not server.is_ours
    watching = asyncio.create_task(server.watch())
    await asyncio.sleep(0.6)
    assert not caplog.records, "a watcher takes a living server for a dead one"
    await server.stop(anyway=True)
    await watching


@pytest.mark.parametrize("case", ["dead", "stranger", "itself"])
async def test_a_stale_pid_file_fools_nobody(cluster: Supervise, case: str) -> None:
    server = cluster()
    dsn = await server.start()
    await ask(dsn, "create table kept as select 7 as n")
    lines = (server.data / "postmaster.pid").read_text().splitlines()
    owner = server.data.stat()
    await server.stop()
    with stranger() as other:
        pid = {"dead": int(lines[0]), "stranger": other, "itself": os.getpid()}[case]
        stale = server.data / "postmaster.pid"
        stale.write_text("\n".join([str(pid), *lines[1:]]) + "\n")
        os.chown(stale, owner.st_uid, owner.st_gid)
        again = cluster()
        assert await again.start() == dsn
        assert again.is_ours
        assert pid_of(again) != pid
        assert await ask(dsn, "select n from kept") == 7
        await again.stop(anyway=True)


async def test_a_killed_server_comes_back_with_every_committed_row(cluster: Supervise) -> None:
    server = cluster()
    dsn = await server.start()
    connection = await asyncpg.connect(dsn)
    await connection.execute("create table paid (n int primary key)")
    watching = asyncio.create_task(server.watch())
    for round_ in range(2):  # the second death finds a server that watch() itself has started
        for n in range(round_ * 50, round_ * 50 + 50):
            await connection.execute("insert into paid values ($1)", n)
        await connection.execute("begin; insert into paid values (-1)")
        os.kill(pid_of(server), signal.SIGKILL)
        died = monotonic()
        while True:
            try:
                connection = await asyncpg.connect(dsn, timeout=5)
                break
            except (OSError, asyncpg.PostgresError, TimeoutError):
                assert monotonic() - died < 10
                await asyncio.sleep(0.02)
        numbers = await connection.fetch("select n from paid order by n")
        assert [row["n"] for row in numbers] == list(range(round_ * 50 + 50))
    await connection.close()
    assert server.is_ours
    await server.stop()
    await asyncio.wait_for(watching, 5)


async def test_the_watcher_of_an_adopted_server_restarts_it_too(cluster: Supervise) -> None:
    starter, adopter = cluster(), cluster()
    dsn = await starter.start()
    await adopter.start()
    watching = asyncio.create_task(adopter.watch())
    pid = pid_of(starter)
    os.kill(pid, signal.SIGKILL)  # it stays a zombie, for its parent does not look
    died = monotonic()
    while not adopter.is_ours or pid_of(adopter) == pid:
        assert monotonic() - died < 10
        await asyncio.sleep(0.05)
    assert await adopter.start() == dsn
    await adopter.stop()
    await asyncio.wait_for(watching, 5)


async def test_no_server_starts_beside_a_backend_of_the_last_one(cluster: Supervise) -> None:
    server = cluster()
    dsn = await server.start()
    connection = await asyncpg.connect(dsn)
    backend = connection.get_server_pid()
    os.kill(backend, signal.SIGSTOP)
    try:
        os.kill(pid_of(server), signal.SIGKILL)
        starting = asyncio.create_task(cluster().start())
        await asyncio.sleep(1)
        assert not starting.done()
    finally:
        os.kill(backend, signal.SIGCONT)
    assert await asyncio.wait_for(starting, 10) == dsn
    connection.terminate()


async def test_a_port_taken_meanwhile_is_replaced(cluster: Supervise) -> None:
    server = cluster()
    await server.start()
    await server.stop()
    known = json.loads((server.folder / "connection.json").read_text())
    blocker = await asyncio.start_server(lambda r, w: None, "127.0.0.1", known["port"])
    try:
        dsn = await server.start()
        assert f"port={known['port']}" not in dsn
        assert await ask(dsn, "select 1") == 1
    finally:
        blocker.close()


async def test_a_failed_start_says_what_the_log_says(folder: Path) -> None:
    server = Postgres(folder / "db", {"shared_buffers": "a lot"})
    with pytest.raises(NotStarted) as caught:
        await server.start()
    assert "shared_buffers" in caught.value.facts["log"]
    assert not server.is_ours


async def test_a_cluster_without_its_password_is_not_replaced(cluster: Supervise) -> None:
    server = cluster()
    await server.start()
    await server.stop()
    kept = (server.folder / "connection.json").rename(server.folder / "mislaid")
    with pytest.raises(NotStarted) as caught:
        await cluster().start()
    assert "connection.json" in caught.value.facts["reason"]
    kept.rename(server.folder / "connection.json")
    await cluster().start()


async def test_a_long_log_is_cut_and_one_older_kept(cluster: Supervise) -> None:
    server = cluster()
    await server.start()
    path = server.folder / "postgres.log"
    with path.open("ab") as file:
        file.write(b"x" * 17_000_000)
    watching = asyncio.create_task(server.watch())
    for _ in range(100):
        if path.stat().st_size < 17_000_000:
            break
        await asyncio.sleep(0.05)
    assert path.stat().st_size < 100_000
    assert (server.folder / "postgres.log.1").stat().st_size >= 17_000_000
    await server.stop()
    await watching
    assert "shut down" in path.read_text()  # the server goes on writing to the same file


async def test_a_socket_folder_taken_by_a_stranger_is_not_used(cluster: Supervise) -> None:
    server = cluster()
    await server.start()
    await server.stop()
    taken = Path(json.loads((server.folder / "connection.json").read_text())["sockets"])
    os.mkdir(taken, mode=0o755)
    try:
        dsn = await server.start()
        assert taken.name not in dsn
        assert await ask(dsn, "select 1") == 1
    finally:
        os.rmdir(taken)


@as_root
async def test_a_folder_behind_a_closed_door_is_refused_and_left_alone(folder: Path) -> None:
    home = folder / "home"
    home.mkdir(mode=0o700)
    with pytest.raises(UnreachableFolder) as caught:
        await Postgres(home / "db").start()
    assert caught.value.facts["account"] == "nobody"
    assert "chmod o+x" in caught.value.facts["do"]
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


@as_root
async def test_binaries_behind_a_closed_door_are_copied(folder: Path, cluster: Supervise) -> None:
    home, package = folder / "home", packaged_binaries().parent
    home.mkdir(mode=0o700)
    site = home / "site-packages"
    shutil.copytree(package / "pginstall18", site / package.name / "pginstall18", symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, site / libraries.name)
    server = cluster(binaries=site / package.name / "pginstall18")
    dsn = await server.start()
    running = os.readlink(f"/proc/{pid_of(server)}/exe")
    assert running.startswith(str(server.folder))
    assert await ask(dsn, "select 1") == 1
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


@as_root
async def test_as_root_the_server_runs_as_another_account(cluster: Supervise) -> None:
    server = cluster()
    await server.start()
    fields = process_status(pid_of(server))
    nobody = pwd.getpwnam("nobody")
    assert set(fields["Uid"].split()) == {str(nobody.pw_uid)}
    assert set(fields["Gid"].split()) == {str(nobody.pw_gid)}
    assert fields["Groups"].strip() == ""
    assert server.data.stat().st_uid == nobody.pw_uid


@as_root
async def test_as_a_normal_user_too(folder: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    program = (
        "import asyncio, os, sys; from pathlib import Path; from feiqian.kernel.postgres import Postgres\n"
        "import concurrent.futures.thread\n"  # the interpreter may lie where that account cannot read
        "uid, gid = map(int, sys.argv[2:])\n"
        "os.setgroups([]); os.setgid(gid); os.setuid(uid)\n"
        "async def go():\n"
        "    server = Postgres(Path(sys.argv[1]), {'shared_buffers': '64MB'})\n"
        "    await server.start(); print(server.is_ours, server.data.stat().st_uid); await server.stop()\n"
        "asyncio.run(go())"
    )
    arguments = [str(folder / "db"), str(nobody.pw_uid), str(nobody.pw_gid)]
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program, *arguments], capture_output=True, text=True
    )
    assert done.stdout.split() == ["True", str(nobody.pw_uid)], done.stderr


@pytest.mark.parametrize("name", ["fsync", "synchronous_commit", "full_page_writes"])
def test_durability_is_not_a_setting(folder: Path, name: str) -> None:
    with pytest.raises(ValueError, match="must stay on"):
        Postgres(folder, {name: "off"})
    assert Postgres(folder, {name: "on"}).settings[name] == "on"


@pytest.mark.parametrize(
    ("memory_gib", "buffers"), [(0.25, "128MB"), (1, "128MB"), (4, "512MB"), (8, "1024MB"), (512, "1024MB")]
)
def test_buffers_are_an_eighth_of_memory_within_bounds(memory_gib: float, buffers: str) -> None:
    assert recommended(int(memory_gib * 2**30))["shared_buffers"] == buffers


def test_ports_lie_below_those_for_outgoing_connections() -> None:
    assert all(15000 <= free_port() < 30000 for _ in range(50))
