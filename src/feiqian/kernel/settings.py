"""Settings: typed, in layers, each value knowing where it came from. Start at load().

Later layers win: defaults, one TOML file, the environment, flags.

The file is the one named by a flag or by FEIQIAN_CONFIG; else `feiqian.toml` in the working folder;
else `feiqian/feiqian.toml` in the user's configuration folder.

A variable is FEIQIAN_ and the key in capitals, with one underscore or two for the dot, so `database.url`
is FEIQIAN_DATABASE_URL or FEIQIAN_DATABASE__URL. An empty variable counts as absent. A variable with our
prefix that names no key stops the start; on Kubernetes a service named feiqian brings such variables
along, so pods of ours set `enableServiceLinks: false`.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec
from msgspec import Meta, Struct, field

from feiqian.kernel.errors import Refused

PREFIX = "FEIQIAN_"
# Variables that say where to look and are no settings.
NOT_SETTINGS = frozenset({"FEIQIAN_CONFIG"})
HIDDEN = "***"


class BadSettings(Refused):
    """The settings cannot be used."""

    code, zh = "bad_settings", "配置无法使用。"


class UnknownSetting(BadSettings):
    """There is no such setting."""

    code, zh = "unknown_setting", "没有这个配置项。"


class WrongSetting(BadSettings):
    """This setting has a value it cannot take."""

    code, zh = "wrong_setting", "配置项的取值不正确。"


class UnreadableSettings(BadSettings):
    """The settings file cannot be read."""

    code, zh = "unreadable_settings", "无法读取配置文件。"


class UnsafeSettings(BadSettings):
    """These settings are too weak for production."""

    code, zh = "unsafe_settings", "这些配置不符合生产环境的安全要求。"


def data_home(environ: Mapping[str, str] | None = None, root: bool | None = None) -> str:
    """The folder for our data: `feiqian` in the user's data folder, /var/lib/feiqian for root.

    PostgreSQL refuses to run as root, and the account it runs as instead cannot enter root's home.
    Source: XDG base directory specification 0.8, where a relative path counts as absent.
    """
    environ = os.environ if environ is None else environ
    if root if root is not None else hasattr(os, "geteuid") and os.geteuid() == 0:
        return "/var/lib/feiqian"
    return str(_xdg(environ, "XDG_DATA_HOME", ".local/share") / "feiqian")


class Database(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the books are kept."""

    url: Annotated[
        str,
        Meta(
            pattern="^(postgres(ql)?://.+)?$",
            description="PostgreSQL address, `postgresql://user:password@host/name`; "
            "empty runs a server of our own.",
            extra={"secret": True},
        ),
    ] = ""
    pool_size: Annotated[int, Meta(ge=1, le=1000, description="Connections one process keeps open.")] = 10
    patience_seconds: Annotated[
        float,
        Meta(
            ge=0,
            le=600,
            description="How long a request waits for a database that is away, or for a lock in it.",
        ),
    ] = 10.0

    def __repr__(self) -> str:
        return f"Database(url={HIDDEN if self.url else ''!r}, pool_size={self.pool_size})"


class Vault(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where card numbers are kept."""

    url: Annotated[
        str,
        Meta(
            pattern="^(postgres(ql)?://.+)?$",
            description="Address of the vault's role on the server that `database.url` names, a role that "
            "owns its schemas; empty keeps no cards there. Our own server has that role already.",
            extra={"secret": True},
        ),
    ] = ""
    key_dir: Annotated[
        str,
        Meta(
            description="Folder of the key-encrypting keys, apart from the database and its backups; "
            "empty is `vault-keys` in `data_dir`.",
        ),
    ] = ""

    def __repr__(self) -> str:
        return f"Vault(url={HIDDEN if self.url else ''!r}, key_dir={self.key_dir!r})"


class Http(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The web server."""

    host: Annotated[str, Meta(min_length=1, description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on; 0 takes a free one.")] = 8080
    public_url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://[^\s/?#@]+)?$",
            description="Address people and partners reach us at, without a final slash; "
            "empty means the address we listen on.",
        ),
    ] = ""
    body_bytes_max: Annotated[
        int, Meta(ge=1024, le=64 * 1024 * 1024, description="Largest request body, in bytes.")
    ] = 65536
    access_log: Annotated[bool, Meta(description="Whether each request leaves a line in the log.")] = True


class Log(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is written about the work, to standard error."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="The least serious line written.")
    ] = "info"
    format: Annotated[
        Literal["json", "console"], Meta(description="`json` for machines, `console` for people.")
    ] = "json"


class Jobs(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Timers and deliveries."""

    enabled: Annotated[bool, Meta(description="Whether the server also runs the jobs that are due.")] = True
    poll_seconds: Annotated[
        float,
        Meta(ge=0.01, le=3600, description="How often jobs are looked for when nothing announces them."),
    ] = 1.0


class Code(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Payment codes and QR codes."""

    prefix: Annotated[
        str,
        Meta(pattern=r"^[0-9]{2}$", description="The two digits our customers' payment codes begin with."),
    ] = "86"
    guid: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9.-]{1,30}$",
            description="Who we are in the merchant account template of our QR codes (EMV sub-tag 00).",
        ),
    ] = "org.feiqian"
    dynamic_seconds: Annotated[
        int, Meta(ge=10, le=86400, description="How long a QR code with an amount can be paid.")
    ] = 600


class Batch(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How requests are gathered for one transaction."""

    max_size: Annotated[int, Meta(ge=1, le=8192, description="The most requests taken together.")] = 500


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that can be set. Hand it on; never read the environment elsewhere."""

    mode: Annotated[
        Literal["development", "production"],
        Meta(description="`production` refuses to start with weak settings."),
    ] = "development"
    data_dir: Annotated[
        str, Meta(min_length=1, description="Folder for our own database server, keys and exports.")
    ] = field(default_factory=data_home)
    database: Database = field(default_factory=Database)
    vault: Vault = field(default_factory=Vault)
    http: Http = field(default_factory=Http)
    log: Log = field(default_factory=Log)
    jobs: Jobs = field(default_factory=Jobs)
    code: Code = field(default_factory=Code)
    batch: Batch = field(default_factory=Batch)

    def refusals(self) -> list[str]:
        """Why production must not start with these settings, in words; empty in development."""
        return list(_weak(self)) if self.mode == "production" else []

    def check(self) -> None:
        """Raises: UnsafeSettings naming every refusal."""
        if reasons := self.refusals():
            raise UnsafeSettings(reasons="; ".join(reasons))


class Loaded(NamedTuple):
    """Settings and, for each dotted key, `default`, `file PATH`, `environment` or `flag`."""

    settings: Settings
    origins: dict[str, str]

    def rows(self) -> list[tuple[str, str, str]]:
        """Key, value and origin as `config show --origin` prints them; a secret that is set shows as ***."""
        rows = []
        for row in describe():
            value = _value(self.settings, row.key)
            shown = HIDDEN if row.secret and value else _as_toml(value)
            rows.append((row.key, shown, self.origins[row.key]))
        return rows


class Described(NamedTuple):
    """One setting as the reference page lists it."""

    key: str
    type: str
    default: str
    env: str
    text: str
    secret: bool


def load(
    config: str | Path | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
    folder: Path | None = None,
) -> Loaded:
    """The settings of all layers. config: a file from the command line, which must exist.

    flags: dotted keys; None means the flag was not given. folder: the working folder.
    Raises: UnknownSetting, WrongSetting or UnreadableSettings, naming layer and key, never a value.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {"data_dir": data_home(environ)}
    origins = dict.fromkeys(_FIELDS, "default")
    for layer, given in _layers(config, environ, flags or {}, folder or Path.cwd()):
        for key, raw in given.items():
            values[key] = _convert(layer, key, raw)
            origins[key] = layer
    return Loaded(_build(values), origins)


def describe() -> list[Described]:
    """Every setting in order: key, type, default, variable, text, secret."""
    rows = []
    for key, one in _FIELDS.items():
        default = "~/.local/share/feiqian" if key == "data_dir" else _as_toml(one.default)
        rows.append(Described(key, one.type_text, default, env_name(key), one.text, one.secret))
    return rows


def env_name(key: str) -> str:
    """The variable that sets this dotted key, in its short form."""
    return PREFIX + key.replace(".", "_").upper()


def json_schema() -> str:
    """A JSON Schema of the TOML file, as text."""
    schema = msgspec.json.schema(Settings)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "feiqian.toml"
    return msgspec.json.format(msgspec.json.encode(schema, order="sorted"), indent=2).decode()


class _Field(NamedTuple):
    kind: Any  # the annotated type, checked by msgspec
    default: Any
    type_text: str
    text: str
    secret: bool


def _fields(kind: type[Struct], prefix: str = "") -> Iterator[tuple[str, _Field]]:
    for one in msgspec.structs.fields(kind):
        key = prefix + one.name
        if isinstance(one.type, type) and issubclass(one.type, Struct):
            yield from _fields(one.type, key + ".")
            continue
        base, meta = get_args(one.type)[:2]
        default = one.default if one.default is not msgspec.NODEFAULT else None
        secret = bool((meta.extra or {}).get("secret"))
        yield key, _Field(one.type, default, _type_text(base, meta), meta.description, secret)


def _type_text(base: Any, meta: Meta) -> str:
    if get_origin(base) is Literal:
        return " or ".join(f'"{choice}"' for choice in get_args(base))
    if base is bool:
        return "true or false"
    name = {int: "whole number", float: "number", str: "text"}[base]
    if meta.ge is not None:
        return f"{name}, {meta.ge} to {meta.le}"
    if meta.pattern is not None:
        return f"{name} like {meta.pattern}"
    return name


_FIELDS: dict[str, _Field] = dict(_fields(Settings))
_SECTIONS: dict[str, type[Struct]] = {
    one.name: one.type
    for one in msgspec.structs.fields(Settings)
    if isinstance(one.type, type) and issubclass(one.type, Struct)
}
_BY_ENV: dict[str, str] = {env_name(key): key for key in _FIELDS}


def _layers(
    config: str | Path | None, environ: Mapping[str, str], flags: Mapping[str, object], folder: Path
) -> Iterator[tuple[str, dict[str, Any]]]:
    named = config or environ.get("FEIQIAN_CONFIG") or None
    if named is not None:
        yield _from_file(folder / named)
    else:
        user = _xdg(environ, "XDG_CONFIG_HOME", ".config") / "feiqian"
        for path in (folder / "feiqian.toml", user / "feiqian.toml"):
            if path.is_file():
                yield _from_file(path)
                break
    yield "environment", _from_environment(environ)
    given = {key: value for key, value in flags.items() if value is not None}
    for key in given:
        if key not in _FIELDS:
            raise _unknown("flag", key, _FIELDS)
    yield "flag", given


def _from_file(path: Path) -> tuple[str, dict[str, Any]]:
    layer = f"file {path}"
    try:
        tree = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UnreadableSettings(file=str(path), why=error.strerror) from None
    except UnicodeDecodeError:
        raise UnreadableSettings(file=str(path), why="not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise UnreadableSettings(file=str(path), why=str(error)) from None
    return layer, dict(_flatten(layer, tree))


def _flatten(layer: str, tree: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if name in _SECTIONS:
            if not isinstance(value, dict):
                raise WrongSetting(layer=layer, key=name, expected="a section")
            for inner, leaf in value.items():
                key = f"{name}.{inner}"
                if key not in _FIELDS:
                    raise _unknown(layer, key, _FIELDS)
                yield key, leaf
        elif name in _FIELDS:
            yield name, value
        else:
            raise _unknown(layer, name, [*_FIELDS, *_SECTIONS])


def _from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in sorted(environ):
        value = environ[name]
        if not name.startswith(PREFIX) or name in NOT_SETTINGS or not value:
            continue
        key = _BY_ENV.get(name.replace("__", "_"))
        if key is None:
            raise _unknown("environment", name, _BY_ENV)
        if found.setdefault(key, value) != value:
            raise WrongSetting(layer="environment", key=key, expected="one variable, not two that differ")
    return found


def _convert(layer: str, key: str, raw: object) -> Any:
    one = _FIELDS[key]
    try:
        # Text from the environment and the command line is read as the type it stands for.
        value = msgspec.convert(raw, one.kind, strict=layer.startswith("file ") or not isinstance(raw, str))
    except msgspec.ValidationError:
        # From None: the message of msgspec may quote the value.
        raise WrongSetting(layer=layer, key=key, expected=one.type_text) from None
    if isinstance(value, str) and not value.isprintable():
        raise WrongSetting(layer=layer, key=key, expected="text without line breaks or control characters")
    return value


def _build(values: Mapping[str, Any]) -> Settings:
    tree: dict[str, Any] = {}
    for key, value in values.items():
        section, _, name = key.rpartition(".")
        (tree.setdefault(section, {}) if section else tree)[name] = value
    return msgspec.convert(tree, Settings)


def _unknown(layer: str, name: str, known: Any) -> UnknownSetting:
    near = difflib.get_close_matches(name, list(known), 1, 0.6)
    if not near and "." not in name:
        # `port` alone: the key that ends so is a better hint than none.
        near = [key for key in known if key.rpartition(".")[2] == name]
    hint = {"did_you_mean": near[0]} if near else {}
    return UnknownSetting(layer=layer, key=name, **hint)


def _value(settings: Settings, key: str) -> Any:
    value: Any = settings
    for name in key.split("."):
        value = getattr(value, name)
    return value


def _as_toml(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _xdg(environ: Mapping[str, str], name: str, otherwise: str) -> Path:
    given = environ.get(name, "")
    if os.path.isabs(given):
        return Path(given)
    home = environ.get("HOME", "")
    return (Path(home) if os.path.isabs(home) else Path.home()) / otherwise


def _weak(settings: Settings) -> Iterator[str]:
    http = settings.http
    public = urlsplit(http.public_url)
    if public.scheme == "http" and not _is_loopback(public.hostname or ""):
        yield "http.public_url is not https"
    if not _is_loopback(http.host) and public.scheme != "https":
        yield (
            "http.host is open to the network in plain http: put a TLS proxy in front "
            "and name its address in http.public_url, or listen on 127.0.0.1"
        )
    if settings.log.level == "debug":
        yield "log.level is debug"
    if not _is_database_safe(settings.database.url):
        yield "database.url goes to another machine without sslmode=verify-full"
    yield from _weak_vault(settings)


def _weak_vault(settings: Settings) -> Iterator[str]:
    vault = settings.vault
    if not vault.url:
        return
    if not settings.database.url:
        yield "vault.url is set without database.url: our own server has a vault already"
    if not _is_database_safe(vault.url):
        yield "vault.url goes to another machine without sslmode=verify-full"
    if vault.url == settings.database.url or _login(vault.url) == _login(settings.database.url):
        yield "vault.url and database.url enter as the same role: the vault must have one of its own"
    folder = Path(settings.data_dir).resolve()
    if not vault.key_dir or Path(vault.key_dir).resolve().is_relative_to(folder):
        yield "vault.key_dir is not apart from data_dir"


def _login(url: str) -> str | None:
    """Who an address enters as; None when it does not say."""
    try:
        parts = urlsplit(url)
        return unquote(parts.username) if parts.username else parse_qs(parts.query).get("user", [None])[-1]
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_database_safe(url: str) -> bool:
    """Whether every host in the address is this machine, or TLS proves who answers."""
    if not url:
        return True
    try:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
    except ValueError:
        return False
    if query.get("sslmode", [""])[-1] == "verify-full":
        return True
    # One address may name several hosts, `a:5432,b:5432`, and `?host=` may name them instead.
    named = ",".join([parts.netloc.rpartition("@")[2], *query.get("host", []), *query.get("hostaddr", [])])
    return all(_is_local(host) for host in named.split(",") if host)


def _is_local(host: str) -> bool:
    if host.startswith(("/", "%2F", "%2f")):  # a socket in the file system
        return True
    bare = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return _is_loopback(bare)
