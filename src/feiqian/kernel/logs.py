"""Logs: one line an event, nothing secret in it, and no way to forge a line. Start at configure().

structlog and the standard library's loggers (uvicorn, asyncpg) take the same way: mask everything, add
moment and request, write. `log = logger(__name__)` and then `log.info("payment.captured", payment=id)`.
"""

from __future__ import annotations

import dataclasses
import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from types import TracebackType
from typing import Any, BinaryIO, Literal, cast

import msgspec
import structlog

from feiqian.kernel.mask import HIDDEN, is_secret, mask_text

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["json", "console"]
Render = Callable[[dict[str, Any]], bytes]

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

# Deeper than this, or with more inside, a value is dropped rather than half looked at.
_DEPTH_MAX = 12
_ITEMS_MAX = 200
# Frames and lines of one exception; a chain of thousands would fill the disk.
_TRACE_MAX = 200


def configure(level: Level = "info", format: Format = "json", stream: BinaryIO | None = None) -> None:
    """Send every log line of this process through the masks to stream (standard error), one line each.

    May be called again; loggers made before follow. Also takes over warnings and uncaught exceptions,
    which Python would print unmasked.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    writer, render = _configure_ours(number, format, stream)
    root = logging.getLogger()
    root.handlers[:] = [_Handler(writer, render)]
    root.setLevel(number)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncpg", "asyncio"):
        taken = logging.getLogger(name)
        taken.handlers.clear()
        taken.propagate = True
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value)
    sys.unraisablehook = lambda args: _uncaught(args.exc_type, args.exc_value)


def logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger whose lines carry this name. Lines written before configure() are masked all the same."""
    if not structlog.is_configured():
        # Only our own lines: importing a module must not take over the loggers of the whole process.
        _configure_ours(logging.INFO, "json", None)
    return cast(structlog.typing.FilteringBoundLogger, structlog.get_logger(name))


@contextmanager
def request(id: str) -> Iterator[None]:
    """Give every line written inside this request id."""
    token = request_id.set(id)
    try:
        yield
    finally:
        request_id.reset(token)


def _configure_ours(level: int, format: Format, stream: BinaryIO | None) -> tuple[_Writer, Render]:
    writer = _Writer(stream)
    render = _to_json if format == "json" else _to_console
    structlog.configure(
        processors=[_prepare, lambda _logger, _method, line: render(cast(dict[str, Any], line))],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda name="": _Named(name, writer),
        cache_logger_on_first_use=False,  # so that loggers made before follow a second call
    )
    return writer, render


def clean(value: object, depth: int = 0) -> Any:
    """The value as plain data without secrets: what lies under a secret key goes whole, texts are masked."""
    if type(value) is str:
        return _sendable(mask_text(value))
    if value is None or type(value) is bool:
        return value
    if type(value) is int:
        return value if -(10**10) < value < 10**10 else _clean_number(value)
    if type(value) is float:
        return value if -1e10 < value < 1e10 else mask_text(repr(value))
    if depth >= _DEPTH_MAX:
        return "…(deep)"
    try:
        return _clean_other(value, depth)
    except Exception as error:
        # A value that cannot be shown must not cost the line, let alone the payment.
        return f"…({type(error).__name__} while showing {type(value).__name__})"


def _clean_other(value: object, depth: int) -> Any:
    if isinstance(value, Mapping):
        return _clean_pairs(value.items(), depth)
    if isinstance(value, msgspec.Struct):
        names = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
        return _clean_pairs(((said, getattr(value, name)) for said, name in names), depth)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _clean_pairs(
            ((one.name, getattr(value, one.name, None)) for one in dataclasses.fields(value)), depth
        )
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return _clean_pairs(zip(value._fields, value, strict=False), depth)
    if isinstance(value, (list, tuple, set, frozenset)):
        if isinstance(value, (list, tuple)) and _is_pair(value):
            return [clean(value[0], depth + 1), HIDDEN]  # a header or a form field
        some = [clean(one, depth + 1) for one, _ in zip(value, range(_ITEMS_MAX), strict=False)]
        return some if len(value) <= _ITEMS_MAX else [*some, f"…({len(value) - _ITEMS_MAX} more)"]
    if isinstance(value, BaseException):
        return _sendable(mask_text(f"{type(value).__name__}: {value}"))
    if isinstance(value, Enum):
        return clean(value.value, depth + 1)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _sendable(mask_text(bytes(value[:20_000]).decode("utf-8", "backslashreplace")))
    if isinstance(value, Decimal):
        return mask_text(str(value))
    return _sendable(mask_text(str(value)))


def _clean_pairs(pairs: Iterable[tuple[Any, Any]], depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for (key, value), _ in zip(pairs, range(_ITEMS_MAX), strict=False):
        name = key if type(key) is str else key.decode("latin-1") if isinstance(key, bytes) else str(key)
        if value is not None and is_secret(name):
            found[_sendable(mask_text(name))] = HIDDEN
        elif type(value) is int and name.endswith(_PLAIN_NUMBERS):
            found[name] = value
        else:
            found[_sendable(mask_text(name))] = clean(value, depth + 1)
    return found


# Numbers that say in their name that they are no card and no telephone, however many digits.
_PLAIN_NUMBERS = ("_minor", "_ms", "_us", "_ns", "_bytes", "amount")


def _is_pair(value: Sequence[Any]) -> bool:
    key = value[0] if len(value) == 2 else None
    if isinstance(key, bytes):
        key = key.decode("latin-1")
    return isinstance(key, str) and len(key) <= 40 and is_secret(key)


def _clean_number(number: int) -> int | str:
    # Writing out a number takes time quadratic in its digits, and no number of ours has so many.
    if number.bit_length() > 256:
        return f"…(a number of {number.bit_length()} bits)"
    text = str(number)
    masked = mask_text(text)
    if masked != text:
        return masked
    return number if number.bit_length() < 64 else text


def _sendable(text: str) -> str:
    """The text with half surrogates written out, which UTF-8 cannot carry."""
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode()


def _prepare(named: _Named, method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """The line as plain masked data, its own fields first."""
    info = event.pop("exc_info", None)
    line: dict[str, Any] = {
        "timestamp": datetime.now(UTC),
        "level": "error" if method == "exception" else method,
        "event": clean(event.pop("event", "")),
        "logger": named.name,
    }
    id = request_id.get()
    if id is not None:
        line["request_id"] = clean(id)
    for name, value in _clean_pairs(event.items(), 0).items():
        line[name if name not in line else name + "_"] = value
    if info and (error := _error_of(info)) is not None:
        line["exception"] = _trace(error)
    return line


def _error_of(info: object) -> BaseException | None:
    if isinstance(info, BaseException):
        return info
    return info[1] if isinstance(info, tuple) else sys.exc_info()[1]


def _trace(error: BaseException) -> str:
    """The trace with causes and notes, masked. It keeps its line breaks; the renderers see to them."""
    try:
        lines = "".join(traceback.format_exception(error)).rstrip("\n").split("\n")
    except Exception as trouble:
        return f"{type(error).__name__} (no trace: {type(trouble).__name__})"
    if len(lines) > _TRACE_MAX:
        half = _TRACE_MAX // 2
        lines = [*lines[:half], f"  …({len(lines) - _TRACE_MAX} lines)", *lines[-half:]]
    return _sendable(mask_text("\n".join(lines), 65_536))


_encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode

# Line ends, controls, and the signs that turn or hide text: a reader must see them, not obey them.
_ODD = (
    r"\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\U000e0000-\U000e007f"
)
_ODD_IN_JSON = re.compile(f"[{_ODD}]")
_ODD_IN_TEXT = re.compile(f'[{_ODD}\\\\"]')
_BARE = re.compile(r"[\w.,:/@+*%{}()\[\]-]+")


def _to_json(line: dict[str, Any]) -> bytes:
    encoded = _encode(line)
    if encoded.isascii() and b"\x7f" not in encoded:
        return encoded
    # JSON allows these signs as they are; terminals and log viewers break lines at some of them.
    return _ODD_IN_JSON.sub(_escape, encoded.decode()).encode()


def _to_console(line: dict[str, Any]) -> bytes:
    moment = line.pop("timestamp").strftime("%H:%M:%S.%f")[:-3]
    level, event, trace = line.pop("level"), line.pop("event"), line.pop("exception", None)
    pairs = [f"{_bare(name)}={_bare(value)}" for name, value in line.items() if value != ""]
    text = "  ".join([f"{moment} {level:<8} {_plain(event)}", *pairs])
    if trace is not None:
        # Every line of a trace stands behind a bar, so that none passes for a line of the log.
        text += "".join(f"\n    | {_plain(one)}" for one in trace.split("\n"))
    return text.encode()


def _bare(value: Any) -> str:
    text = value if isinstance(value, str) else _encode(value).decode()
    return text if _BARE.fullmatch(text) else f'"{_ODD_IN_TEXT.sub(_escape, text)}"'


def _plain(text: Any) -> str:
    return _ODD_IN_JSON.sub(_escape, str(text))


def _escape(found: re.Match[str]) -> str:
    sign: str = found[0]
    if sign in _SHORT:
        return _SHORT[sign]
    if ord(sign) < 0x10000:
        return f"\\u{ord(sign):04x}"
    high, low = divmod(ord(sign) - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"


_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", '"': '\\"'}


class _Writer:
    """Where lines end up. A log that cannot be written must not stop a payment."""

    def __init__(self, out: BinaryIO | None) -> None:
        self._out = out  # None: whatever is standard error when the line is written
        self._lock = threading.Lock()

    def msg(self, line: bytes) -> None:
        with self._lock, suppress(OSError, ValueError, AttributeError):
            out = self._out or sys.stderr.buffer
            out.write(line + b"\n")
            out.flush()


class _Named:
    """What structlog calls a logger: one method a level, all writing alike."""

    def __init__(self, name: str, writer: _Writer) -> None:
        self.name = name
        self.msg = writer.msg
        self.debug = self.info = self.warning = self.error = self.critical = self.exception = writer.msg


class _Handler(logging.Handler):
    """Takes what libraries log on the same way."""

    def __init__(self, writer: _Writer, render: Render) -> None:
        super().__init__()
        self._writer, self._render = writer, render

    def emit(self, record: logging.LogRecord) -> None:
        try:
            named = _Named(record.name, self._writer)
            event = {"event": _message(record), "exc_info": record.exc_info}
            self._writer.msg(self._render(_prepare(named, record.levelname.lower(), event)))
        except Exception as error:
            # The standard handler would print the record here, secrets and all.
            self._writer.msg(_to_json({"event": "log.unwritable", "why": type(error).__name__}))


def _message(record: logging.LogRecord) -> str:
    if not isinstance(record.args, Mapping):
        return record.getMessage()
    try:
        return str(str(record.msg) % clean(record.args))
    except (TypeError, ValueError, KeyError):
        return str(record.msg)


def _uncaught(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None = None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error or kind(), trace)
        return
    with suppress(Exception):  # a hook that fails makes Python print what it was given
        structlog.get_logger("feiqian").critical("uncaught", exc_info=error or kind())
