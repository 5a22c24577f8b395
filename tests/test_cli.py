"""The command line: what it says, where it says it, and with which exit code it leaves."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from feiqian import __version__
from feiqian.cli import FAILED, NOT_FOUND, OK, REFUSED, USAGE, main
from feiqian.kernel.postgres import Postgres
from tests.conftest import SMALL, in_thread


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """A data folder whose server runs, so that each command finds it running."""
    memory = Path("/dev/shm")
    room = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2**31
    path = Path(tempfile.mkdtemp(prefix="fq-cli-", dir=memory if room else None))
    path.chmod(0o711)
    in_thread(Postgres(path / "postgres", SMALL).start())
    yield path
    in_thread(Postgres(path / "postgres").stop(anyway=True))
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def call(data: Path, monkeypatch: pytest.MonkeyPatch):
    """`call("book", "list")` on that folder, untouched by the settings of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("FEIQIAN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.delenv("LC_ALL", raising=False)

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["--data-dir", str(data), *arguments])

    return invoke


def commands(
    group: click.Group = main, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


@pytest.mark.parametrize(
    ("path", "command"), list(commands()), ids=[" ".join(path) for path, _ in commands()]
)
def test_every_command_says_what_it_does_and_how(path, command):
    done = CliRunner().invoke(main, [*path, "--help"])
    assert done.exit_code == OK
    if not isinstance(command, click.Group):
        assert "Example: feiqian " in done.output


def test_asking_for_help_loads_nothing_heavy():
    heavy = "asyncio asyncpg litestar msgspec rich structlog uvloop uvicorn"
    code = f"import sys, feiqian.cli; print([name for name in {heavy.split()} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_version_is_told():
    assert __version__ in CliRunner().invoke(main, ["--version"]).output


@pytest.mark.parametrize(
    "arguments",
    [
        ("nothing",),
        ("book", "create"),
        ("book", "create", "b", "--kind", "toy"),
        ("book", "create", "b", "--cut-off", "late"),
        ("demo", "--people", "1"),
        ("serve", "--port", "many"),
        ("serve", "--port", "70000"),
        ("--config", "/nowhere.toml", "config", "show"),
    ],
)
def test_a_wrong_use_is_exit_code_2(call, arguments):
    assert call(*arguments).exit_code == USAGE


def test_books_are_made_once_and_listed(call):
    made = call("book", "create", "cli_town", "--cut-off", "23:00")
    assert made.exit_code == OK, made.output
    assert call("book", "create", "cli_town").exit_code == REFUSED
    assert call("book", "create", "Cli Town").exit_code == REFUSED
    assert call("book", "create", "cli_moon", "--zone", "Moon/Sea").exit_code == REFUSED
    assert "cli_town  sandbox  Asia/Shanghai" in call("book", "list").stdout
    listed = [json.loads(line) for line in call("book", "list", "--json").stdout.splitlines()]
    assert {
        "name": "cli_town",
        "kind": "sandbox",
        "zone": "Asia/Shanghai",
        "schema": "book_cli_town",
    } in listed


def test_a_key_is_told_once_on_stdout_and_dies_when_revoked(call):
    call("book", "create", "cli_keys")
    made = call("key", "create", "cli_keys", "--name", "till", "--scope", "payments:write")
    assert made.exit_code == OK, made.output
    assert made.stdout.startswith("sk_test_")
    assert len(made.stdout.splitlines()) == 1
    line = json.loads(call("key", "create", "cli_keys", "--name", "app", "--json").stdout)
    assert line["secret"].startswith("sk_test_")
    assert "wallets:pay" in line["scopes"]
    assert call("key", "revoke", "cli_keys", line["id"]).exit_code == OK
    assert call("key", "revoke", "cli_keys", "key_" + "0" * 32).exit_code == NOT_FOUND
    assert call("key", "create", "nobody", "--name", "x").exit_code == NOT_FOUND
    assert call("key", "create", "cli_keys", "--name", "x", "--scope", "everything").exit_code == REFUSED


def test_errors_go_to_stderr_and_speak_the_users_language(call, monkeypatch):
    said = call("verify", "--book", "nobody")
    assert said.exit_code == NOT_FOUND
    assert said.stdout == ""
    assert "There is nothing here by that id" in said.stderr
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert "没有找到" in call("verify", "--book", "nobody").stderr


def test_verify_proves_each_book_and_all_of_them(call):
    call("book", "create", "cli_one")
    call("book", "create", "cli_two")
    one = call("verify", "--book", "cli_one", "--json")
    assert one.exit_code == OK, one.output
    line = json.loads(one.stdout)
    assert line["book"] == "cli_one"
    for name in ("payments", "refused", "refunds", "seconds", "payments_per_second"):
        assert name in line
    assert line["books_balanced"]
    assert line["chain_verified"]
    assert all(line["invariants"].values())
    every = call("ledger", "verify", "--json")
    assert every.exit_code == OK
    assert {"cli_one", "cli_two"} <= set(json.loads(every.stdout.splitlines()[-1])["book"].split())


def test_migrate_says_what_is_up_to_date(call):
    call("book", "create", "cli_new")
    assert "book_cli_new: up to date" in call("migrate").stdout


def test_settings_are_shown_with_their_origin_and_without_secrets(call, monkeypatch):
    monkeypatch.setenv("FEIQIAN_HTTP_PORT", "9000")
    monkeypatch.setenv("FEIQIAN_DATABASE_URL", "postgresql://u:hunter2@127.0.0.1/db")
    shown = call("config", "show", "--origin").stdout
    assert "http.port = 9000  # environment" in shown
    assert "# flag" in shown
    assert "batch.max_size = 500  # default" in shown
    assert "hunter2" not in shown
    assert json.loads(call("config", "show", "--json").stdout)["http.port"]["value"] == "9000"
    assert json.loads(call("config", "schema").stdout)["title"] == "feiqian.toml"


def test_a_setting_that_does_not_exist_ends_every_command(call, monkeypatch):
    monkeypatch.setenv("FEIQIAN_HTTP_PROT", "9000")
    done = call("book", "list")
    assert done.exit_code == USAGE
    assert "FEIQIAN_HTTP_PORT" in done.stderr


def test_doctor_finds_this_machine_well(call, monkeypatch):
    monkeypatch.setenv("FEIQIAN_HTTP_PORT", "0")
    done = call("doctor")
    assert done.exit_code == OK, done.output
    for looked_at in ("Python", "PostgreSQL", "data folder", "disk", "clock", "settings", "port"):
        assert f"ok  {looked_at}" in done.stdout


def test_doctor_says_what_is_in_the_way(call, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("FEIQIAN_HTTP_PORT", str(taken.getsockname()[1]))
        monkeypatch.setenv("FEIQIAN_MODE", "production")
        monkeypatch.setenv("FEIQIAN_LOG_LEVEL", "debug")
        done = call("doctor")
    assert done.exit_code == FAILED
    assert "NO  port" in done.stdout
    assert "Choose another with --port" in done.stdout
    assert "NO  settings: log.level is debug" in done.stdout
    monkeypatch.setenv("FEIQIAN_HTTP_PORT", "many")
    assert "NO  settings" in call("doctor").stdout


def test_a_port_that_is_taken_is_said_in_words(call):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = call("serve", "--port", str(taken.getsockname()[1]))
    assert done.exit_code == REFUSED
    assert "Something else listens on this address" in done.stderr
