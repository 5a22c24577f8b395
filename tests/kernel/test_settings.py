"""Settings: later layers win, nothing unknown passes, each value says where it came from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from feiqian.kernel.settings import (
    BadSettings,
    Loaded,
    Settings,
    UnknownSetting,
    UnreadableSettings,
    UnsafeSettings,
    WrongSetting,
    data_home,
    describe,
    env_name,
    json_schema,
    load,
)


def loaded(
    folder: Path,
    toml: str | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> Loaded:
    """Settings in a working folder of their own, with a home that has none."""
    if toml is not None:
        (folder / "feiqian.toml").write_text(toml, "utf-8")
    return load(environ={"HOME": str(folder / "home"), **(environ or {})}, flags=flags, folder=folder)


def test_defaults(tmp_path: Path) -> None:
    got = loaded(tmp_path)
    assert (got.settings.http.host, got.settings.http.port) == ("127.0.0.1", 8080)
    assert (got.settings.database.url, got.settings.database.pool_size) == ("", 10)
    assert (got.settings.mode, got.settings.code.prefix) == ("development", "86")
    assert set(got.origins.values()) == {"default"}
    assert set(got.origins) == {row.key for row in describe()}


def test_later_layers_win_and_each_value_says_whence(tmp_path: Path) -> None:
    toml = """
        mode = 'production'
        http = {host = '::1', port = 1}
        log.level = 'error'
        [database]
        pool_size = 7
    """
    environ = {"FEIQIAN_HTTP__PORT": "2", "FEIQIAN_LOG_LEVEL": "warning", "FEIQIAN_JOBS_ENABLED": "false"}
    got = loaded(tmp_path, toml, environ, {"http.port": 3, "batch.max_size": "9", "log.format": None})
    one = got.settings
    assert (one.mode, one.http.host, one.http.port, one.log.level) == ("production", "::1", 3, "warning")
    assert (one.database.pool_size, one.jobs.enabled, one.batch.max_size) == (7, False, 9)
    file = f"file {tmp_path / 'feiqian.toml'}"
    assert got.origins["mode"] == got.origins["http.host"] == got.origins["database.pool_size"] == file
    assert got.origins["log.level"] == got.origins["jobs.enabled"] == "environment"
    assert got.origins["http.port"] == got.origins["batch.max_size"] == "flag"
    assert got.origins["log.format"] == "default"


def test_where_the_file_is_looked_for(tmp_path: Path) -> None:
    user = tmp_path / "home" / ".config" / "feiqian"
    user.mkdir(parents=True)
    (user / "feiqian.toml").write_text("http.port = 1")
    assert loaded(tmp_path).settings.http.port == 1
    assert loaded(tmp_path, "http.port = 2").settings.http.port == 2
    (tmp_path / "other.toml").write_text("http.port = 3")
    named = {"FEIQIAN_CONFIG": "other.toml"}
    assert loaded(tmp_path, environ=named).settings.http.port == 3
    (tmp_path / "flag.toml").write_text("http.port = 4")
    assert load(tmp_path / "flag.toml", named, folder=tmp_path).settings.http.port == 4
    elsewhere = {"XDG_CONFIG_HOME": str(tmp_path / "home" / ".config")}
    (tmp_path / "feiqian.toml").unlink()
    assert loaded(tmp_path, environ=elsewhere).settings.http.port == 1
    assert loaded(tmp_path, environ={"XDG_CONFIG_HOME": "relative"}).settings.http.port == 1


def test_a_named_file_must_be_there_and_readable(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("http = [")
    (tmp_path / "gbk.toml").write_bytes("mode = '生产'".encode("gbk"))
    for name in ("gone.toml", "bad.toml", "gbk.toml", "."):
        with pytest.raises(UnreadableSettings) as refused:
            load(name, {}, folder=tmp_path)
        assert str(tmp_path) in str(refused.value)


@pytest.mark.parametrize("name", ["FEIQIAN_DATABASE_URL", "FEIQIAN_DATABASE__URL"])
def test_one_underscore_or_two(tmp_path: Path, name: str) -> None:
    url = "postgresql://feiqian:s3cret@127.0.0.1/feiqian"
    got = loaded(tmp_path, environ={name: url})
    assert got.settings.database.url == url
    assert ("database.url", "***", "environment") in got.rows()
    assert "s3cret" not in f"{got.rows()} {got.settings!r}"


def test_every_key_has_a_variable_of_its_own(tmp_path: Path) -> None:
    names = [row.env for row in describe()]
    assert len(names) == len(set(names))
    assert env_name("http.body_bytes_max") == "FEIQIAN_HTTP_BODY_BYTES_MAX"
    for row in describe():
        given = {
            "mode": "production",
            "log.level": "error",
            "log.format": "console",
            "database.url": "postgresql:///x",
            "vault.url": "postgresql:///y",
            "http.public_url": "https://pay.example",
            "http.access_log": "false",
            "jobs.enabled": "false",
            "code.prefix": "28",
            "http.body_bytes_max": "2048",
        }.get(row.key, "11")
        for env in (row.env, "FEIQIAN_" + row.key.replace(".", "__").upper()):
            assert loaded(tmp_path, environ={env: given}).origins[row.key] == "environment"


def test_the_same_key_twice_must_say_the_same(tmp_path: Path) -> None:
    twice = {"FEIQIAN_HTTP_PORT": "1", "FEIQIAN_HTTP__PORT": "1"}
    assert loaded(tmp_path, environ=twice).settings.http.port == 1
    with pytest.raises(WrongSetting, match=r"http\.port"):
        loaded(tmp_path, environ={**twice, "FEIQIAN_HTTP__PORT": "2"})


def test_an_empty_variable_counts_as_absent(tmp_path: Path) -> None:
    got = loaded(tmp_path, "[http]\nport = 1", {"FEIQIAN_HTTP_PORT": "", "FEIQIAN_NO_SUCH": ""})
    assert got.settings.http.port == 1


@pytest.mark.parametrize(
    ("toml", "environ", "flags", "layer", "key", "near"),
    [
        ("[http]\nprot = 1", {}, {}, "file", "http.prot", "http.port"),
        ("[htpp]\nport = 1", {}, {}, "file", "htpp", "http"),
        ("mod = 'production'", {}, {}, "file", "mod", "mode"),
        ("port = 1", {}, {}, "file", "port", "http.port"),
        ("[http.port]\nx = 1\n[http.y]", {}, {}, "file", "http.y", None),
        ("zzzzzz = 1", {}, {}, "file", "zzzzzz", None),
        ("", {"FEIQIAN_HTTP_PROT": "1"}, {}, "environment", "FEIQIAN_HTTP_PROT", "FEIQIAN_HTTP_PORT"),
        ("", {"FEIQIAN_DATABSE_URL": "x"}, {}, "environment", "FEIQIAN_DATABSE_URL", "FEIQIAN_DATABASE_URL"),
        ("", {}, {"http.prot": 1}, "flag", "http.prot", "http.port"),
    ],
)
def test_an_unknown_key_stops_the_start(
    tmp_path: Path,
    toml: str,
    environ: dict[str, str],
    flags: dict[str, object],
    layer: str,
    key: str,
    near: str | None,
) -> None:
    with pytest.raises(UnknownSetting) as refused:
        loaded(tmp_path, toml, environ, flags)
    facts = refused.value.facts
    assert facts["layer"].startswith(layer)
    assert facts["key"] == key
    if near is None:
        assert facts.get("did_you_mean") in (None, "http.port")
    else:
        assert facts["did_you_mean"] == near


@pytest.mark.parametrize(
    ("toml", "environ", "flags", "layer", "key", "expected"),
    [
        ("http.port = 'x'", {}, {}, "file", "http.port", "whole number, 0 to 65535"),
        ("http.port = '80'", {}, {}, "file", "http.port", "whole number, 0 to 65535"),
        ("http.port = true", {}, {}, "file", "http.port", "whole number, 0 to 65535"),
        ("http.port = 80.5", {}, {}, "file", "http.port", "whole number, 0 to 65535"),
        ("http.port = 65536", {}, {}, "file", "http.port", "whole number, 0 to 65535"),
        ("http.port = [80]", {}, {}, "file", "http.port", "whole number, 0 to 65535"),
        ("[http.port]\nx = 1", {}, {}, "file", "http.port", "whole number, 0 to 65535"),
        ("http = 80", {}, {}, "file", "http", "a section"),
        ("[[http]]\nport = 80", {}, {}, "file", "http", "a section"),
        ("jobs.poll_seconds = nan", {}, {}, "file", "jobs.poll_seconds", "number, 0.01 to 3600"),
        ("jobs.poll_seconds = inf", {}, {}, "file", "jobs.poll_seconds", "number, 0.01 to 3600"),
        ("log.level = 'loud'", {}, {}, "file", "log.level", '"debug" or "info" or "warning" or "error"'),
        ("", {"FEIQIAN_HTTP_PORT": "x"}, {}, "environment", "http.port", "whole number, 0 to 65535"),
        ("", {"FEIQIAN_HTTP_ACCESS_LOG": "maybe"}, {}, "environment", "http.access_log", "true or false"),
        (
            "",
            {"FEIQIAN_JOBS_POLL_SECONDS": "nan"},
            {},
            "environment",
            "jobs.poll_seconds",
            "number, 0.01 to 3600",
        ),
        ("", {"FEIQIAN_CODE_PREFIX": "８６"}, {}, "environment", "code.prefix", "text like ^[0-9]{2}$"),
        ("", {"FEIQIAN_CODE_PREFIX": "86\n"}, {}, "environment", "code.prefix", "text without line breaks"),
        ("", {}, {"http.port": "x"}, "flag", "http.port", "whole number, 0 to 65535"),
        ("", {}, {"http.port": 1.5}, "flag", "http.port", "whole number, 0 to 65535"),
        ("", {}, {"database.url": "mysql://root:hunter2@x/y"}, "flag", "database.url", "postgres"),
    ],
)
def test_a_wrong_value_is_named_by_layer_key_and_what_was_expected(
    tmp_path: Path,
    toml: str,
    environ: dict[str, str],
    flags: dict[str, object],
    layer: str,
    key: str,
    expected: str,
) -> None:
    with pytest.raises(WrongSetting) as refused:
        loaded(tmp_path, toml, environ, flags)
    facts = refused.value.facts
    assert facts["layer"].startswith(layer)
    assert facts["key"] == key
    assert expected in facts["expected"]
    assert "hunter2" not in str(refused.value)
    assert isinstance(refused.value, BadSettings)


def test_whole_numbers_are_welcome_where_a_number_is_due(tmp_path: Path) -> None:
    assert loaded(tmp_path, "jobs.poll_seconds = 2").settings.jobs.poll_seconds == 2.0


def test_data_home() -> None:
    assert data_home({"HOME": "/home/ann"}, root=False) == "/home/ann/.local/share/feiqian"
    assert data_home({"HOME": "/home/ann", "XDG_DATA_HOME": "/data"}, root=False) == "/data/feiqian"
    assert data_home({"HOME": "/h", "XDG_DATA_HOME": "data"}, root=False) == "/h/.local/share/feiqian"
    assert data_home({"HOME": "/root", "XDG_DATA_HOME": "/root/x"}, root=True) == "/var/lib/feiqian"


@pytest.mark.parametrize(
    ("settings", "weak"),
    [
        ({}, None),
        ({"http.host": "::1"}, None),
        ({"http.host": "localhost"}, None),
        ({"http.host": "0.0.0.0"}, "http.host"),
        ({"http.host": "::"}, "http.host"),
        ({"http.host": "pay.example"}, "http.host"),
        ({"http.host": "0.0.0.0", "http.public_url": "https://pay.example"}, None),
        ({"http.public_url": "http://pay.example"}, "http.public_url"),
        ({"http.public_url": "http://127.0.0.1:8080"}, None),
        ({"http.host": "0.0.0.0", "http.public_url": "http://localhost"}, "http.host"),
        ({"log.level": "debug"}, "log.level"),
        ({"database.url": "postgresql://u:p@127.0.0.1:5432/db"}, None),
        ({"database.url": "postgresql://u:p@[::1]:5432/db"}, None),
        ({"database.url": "postgresql://localhost/db"}, None),
        ({"database.url": "postgresql:///db?host=/run/postgresql"}, None),
        ({"database.url": "postgresql://u@%2Frun%2Fpostgresql/db"}, None),
        ({"database.url": "postgresql://u:p@db.example/db"}, "database.url"),
        ({"database.url": "postgresql://u:p@db.example/db?sslmode=require"}, "database.url"),
        ({"database.url": "postgresql://u:p@db.example/db?sslmode=prefer"}, "database.url"),
        ({"database.url": "postgresql://u:p@db.example/db?sslmode=verify-full"}, None),
        (
            {"database.url": "postgresql://u:p@db.example/db?sslmode=verify-full&sslmode=disable"},
            "database.url",
        ),
        ({"database.url": "postgresql://u:p@127.0.0.1:5432,10.0.0.2:5432/db"}, "database.url"),
        ({"database.url": "postgresql:///db?host=10.0.0.2"}, "database.url"),
        ({"database.url": "postgresql://u:p@[fd00::1]/db"}, "database.url"),
        ({"database.url": "postgresql://u:p@[broken/db"}, "database.url"),
    ],
)
def test_production_refuses_what_is_weak(
    tmp_path: Path, settings: dict[str, object], weak: str | None
) -> None:
    easy = loaded(tmp_path, flags=settings).settings
    assert easy.refusals() == []
    easy.check()
    hard = loaded(tmp_path, flags={**settings, "mode": "production"}).settings
    assert [reason.split()[0] for reason in hard.refusals()] == ([weak] if weak else [])
    if weak:
        with pytest.raises(UnsafeSettings, match=weak) as refused:
            hard.check()
        assert ":p@" not in str(refused.value)
    else:
        hard.check()


def test_every_setting_is_documented() -> None:
    for row in describe():
        assert row.text.endswith("."), row.key
        assert row.env == env_name(row.key)
        assert row.type
        assert row.default
    assert [row.key for row in describe() if row.secret] == ["database.url", "vault.url"]


def test_the_schema_knows_every_key() -> None:
    schema = json.loads(json_schema())
    keys = set()
    sections = schema["$defs"]
    for name, one in sections["Settings"]["properties"].items():
        refs = (
            [one["$ref"]]
            if "$ref" in one
            else [part["$ref"] for part in one.get("anyOf", []) if "$ref" in part]
        )
        if refs:
            kind = refs[0].rpartition("/")[2]
            assert sections[kind]["additionalProperties"] is False
            keys |= {f"{name}.{inner}" for inner in sections[kind]["properties"]}
        else:
            keys.add(name)
    assert keys == {row.key for row in describe()}


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Settings().http.port = 1  # type: ignore[misc]
