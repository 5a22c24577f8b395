"""Logs: no secret reaches a line, no line can be forged, libraries write the same lines."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import logging
import sys
import threading
import time
import warnings
from collections import namedtuple
from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import Enum
from typing import Any, cast

import asyncpg
import msgspec
import pytest
import structlog

from feiqian.kernel import errors, logs
from feiqian.kernel.money import Money

LEVELS = ("debug", "info", "warning", "error", "critical")


class Sink:
    """A log in memory."""

    def __init__(self, format: logs.Format = "json", level: logs.Level = "debug") -> None:
        self.stream = io.BytesIO()
        logs.configure(level, format, self.stream)
        self.log = logs.logger("test")

    @property
    def text(self) -> str:
        return self.stream.getvalue().decode()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.split("\n")[:-1]]


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    kept = root.handlers[:], root.level, sys.excepthook, threading.excepthook, sys.unraisablehook
    yield
    root.handlers[:] = kept[0]
    root.setLevel(kept[1])
    sys.excepthook, threading.excepthook, sys.unraisablehook = kept[2:]
    logging.captureWarnings(False)
    structlog.reset_defaults()


@dataclasses.dataclass
class Person:
    name: str
    phone: str
    note: str


class Card(msgspec.Struct):
    pan: str
    brand: str


Pair = namedtuple("Pair", "token kind")


class Shown:
    def __repr__(self) -> str:
        return "Shown(password='canary-repr')"


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError("canary-unshowable")


class Brand(Enum):
    SECRET = "sk_live_canary"


def test_a_line_says_when_how_bad_what_and_for_which_request() -> None:
    sink = Sink()
    with logs.request("req_1"):
        sink.log.info("payment.captured", amount=Money(1234, "CNY"), fee=Decimal("0.12"), ok=True, none=None)
    sink.log.warning("after")
    first, second = sink.lines
    assert first["timestamp"].endswith("Z")
    assert (first["level"], first["event"], first["logger"], first["request_id"]) == (
        "info",
        "payment.captured",
        "test",
        "req_1",
    )
    assert (first["amount"], first["fee"], first["ok"], first["none"]) == (
        {"amount": 1234, "currency": "CNY"},
        "0.12",
        True,
        None,
    )
    assert "request_id" not in second


def test_levels() -> None:
    sink = Sink(level="warning")
    sink.log.info("no")
    logging.getLogger("uvicorn").info("no")
    sink.log.warning("yes")
    logging.getLogger("uvicorn").warning("yes")
    assert [line["event"] for line in sink.lines] == ["yes", "yes"]


def test_a_field_cannot_take_the_place_of_ours() -> None:
    sink = Sink()
    sink.log.info("real", timestamp="1999", level="x", logger="y", request_id="req_x", exception="z")
    (line,) = sink.lines
    assert (line["event"], line["level"], line["logger"]) == ("real", "info", "test")
    assert (line["timestamp_"], line["level_"], line["logger_"]) == ("1999", "x", "y")


HIDDEN_UNDER_KEYS = {
    "password": "canary-1",
    "pin": 482913,
    "a": {"b": [{"c": {"token": "canary-2", "ok": "kept"}}]},
    "headers": [("authorization", "Basic canary-3"), (b"cookie", b"s=canary-4")],
    "person": Person("张三丰", "13800138000", "password=canary-5"),
    "paid": Card("4111111111111111", "visa"),
    "pair": Pair("canary-6", "x"),
    "shown": Shown(),
    "brand": Brand.SECRET,
    "raw": b'{"secret": "canary-7"}',
    "numbers": [4111111111111111, 13800138000, -13800138000],
    "set": {"sk_live_canary8"},
    "error": ValueError("token: canary-9"),
    "sk_live_canaryinkey": {"13800138000": 1},
    "unshowable": Unshowable(),
    "note": "call 13800138000 or sk_test_canary10",
    "real": 13800138000.0,
}
CANARIES = ("canary", "482913", "张三丰", "13800138000", "4111111111111111")


@pytest.mark.parametrize("format", ["json", "console"])
@pytest.mark.parametrize("level", [*LEVELS, "exception"])
def test_canaries_never_reach_a_line(level: str, format: logs.Format) -> None:
    """Check D6: names, phones, ID numbers, tokens and codes, at every level and depth."""
    sink = Sink(format)
    getattr(sink.log, level)("event with 13800138000 and password: canary-0", **HIDDEN_UNDER_KEYS)
    library = logging.getLogger("uvicorn.error")
    getattr(library, level)(
        "library: %s %r", Person("张三丰", "13800138000", "x"), HIDDEN_UNDER_KEYS["headers"]
    )
    getattr(library, level)("token=%(token)s for %(name)s", {"token": "canary-11", "name": "张三丰"})
    getattr(library, level)("%(token)s alone", {"token": "canary-12"})
    getattr(library, level)("%d mismatched", "canary password=canary-13")
    text = sink.text
    assert text.count("event with") == 1
    assert "kept" in text
    for canary in CANARIES:
        assert canary not in text.replace("canary password", ""), (canary, text)


def test_what_lies_too_deep_is_dropped_and_circles_end() -> None:
    sink = Sink()
    circle: dict[str, Any] = {"sk": "x"}
    circle["again"] = circle
    deep: Any = "password=canary"
    for _ in range(5_000):
        deep = [deep]
    sink.log.info("deep", circle=circle, deep=deep, wide=list(range(100_000)), long="x" * 10**6)
    assert "canary" not in sink.text
    assert len(sink.text) < 25_000
    sink.log.info("large", number=10**5000, bits=2**64, nan=float("nan"), inf=float("inf"))
    assert len(sink.lines) == 2


def fifty() -> list[BaseException]:
    """Fifty kinds of exceptions that carry what must not be seen."""
    said = "phone 13800138000, card 4111 1111 1111 1111, password: canary, token=canary"
    kinds: list[type[Exception]] = [
        *(ArithmeticError, AssertionError, AttributeError, BufferError, EOFError, FloatingPointError),
        *(ImportError, IndexError, KeyError, LookupError, MemoryError, ModuleNotFoundError, NameError),
        *(NotImplementedError, OSError, OverflowError, RecursionError, ReferenceError, RuntimeError),
        *(StopIteration, StopAsyncIteration, SyntaxError, IndentationError, SystemError, TypeError),
        *(UnboundLocalError, ValueError, ZeroDivisionError, ConnectionError, BrokenPipeError),
        *(
            FileNotFoundError,
            PermissionError,
            TimeoutError,
            InterruptedError,
            UserWarning,
            asyncio.CancelledError,
        ),  # type: ignore[list-item]
        *(msgspec.ValidationError, msgspec.DecodeError, json.JSONDecodeError, asyncpg.InterfaceError),
        *(asyncpg.UniqueViolationError, asyncpg.DataError, asyncpg.PostgresError),
        *(DeprecationWarning, ResourceWarning, UnicodeWarning, ChildProcessError, errors.Unavailable),
    ]
    made: list[BaseException] = [
        kind(said, said, 0) if kind is json.JSONDecodeError else kind(said) for kind in kinds
    ]
    made += [
        errors.Refused(name="张三丰", phone="13800138000", password="canary"),
        errors.Broken(token="canary", card="4111111111111111"),
        UnicodeDecodeError("utf-8", b"13800138000", 0, 1, said),
        ExceptionGroup("group " + said, [ValueError(said), TypeError(said)]),
        KeyError({"password": "canary", "name": "张三丰"}),
        ValueError(Person("张三丰", "13800138000", "x")),
        ValueError(b'{"id_number": "11010519491231002X", "secret": "canary"}'),
    ]
    taken = asyncpg.UniqueViolationError('duplicate key value violates unique constraint "party_name"')
    taken.detail = "Key (name)=(张三丰) already exists."
    broken = asyncpg.CheckViolationError("new row violates check constraint")
    broken.detail = "Failing row contains (1, 张三丰, canary, 482913)."
    return [*made, taken, broken]


@pytest.mark.parametrize("format", ["json", "console"])
def test_canaries_in_fifty_exceptions_never_reach_a_line(format: logs.Format) -> None:
    """Check D6: the trace, its causes, notes and groups are masked too."""
    sink = Sink(format)
    made = fifty()
    assert len({type(one) for one in made}) >= 50
    for error in made:
        try:
            try:
                raise error
            except BaseException as cause:
                cause.add_note("note: sk_live_canary and 13800138000")
                raise RuntimeError("after: pin=482913") from cause
        except RuntimeError as outer:
            sink.log.exception("failed", error=outer, cause=outer.__cause__)
            sink.log.info("failed", exc_info=outer)
            logging.getLogger("asyncpg").error("failed %s", error, exc_info=True)
    text = sink.text
    assert text.count("Traceback") >= 3 * 50
    for canary in (*CANARIES, "4111 1111", "11010519491231002X"):
        assert canary not in text, (canary, text[max(0, text.index(canary) - 300) :][:600])


HOSTILE = [
    "x\n2026-11-02 INFO forged",
    "x\r\nforged",
    "x\x00\x07\x1b[31m\x7f\x85\x9b",
    "x\u2028forged\u2029forged",
    "x\u202eforged\u2066\u200b\ufeff\U000e0041",
    "x\ud800\udfff half",
    'x", "level": "critical", "y": "',
    "x  level=critical\tlogger=root",
    "x\x0b\x0c\x1c\x1d\x1eforged",
]


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("format", ["json", "console"])
def test_no_line_can_be_forged(hostile: str, format: logs.Format) -> None:
    """Check M4: control characters, line separators and direction marks never reach the output as such."""
    sink = Sink(format)
    sink.log.info(hostile, value=hostile, deep={hostile: [hostile]})
    logging.getLogger("uvicorn.access").info("%s", hostile)
    assert len(sink.text.splitlines()) == 2
    assert all(sign.isprintable() for sign in sink.text.replace("\n", "")), ascii(sink.text)
    try:
        raise ValueError(hostile)
    except ValueError:
        sink.log.exception("failed")
    new = sink.text.splitlines()[2:]
    assert all(sign.isprintable() for line in new for sign in line)
    if format == "json":
        assert len(new) == 1
        assert sink.lines[0]["value"] == hostile.encode("utf-8", "backslashreplace").decode()
    else:
        assert all(line.startswith("    | ") for line in new[1:])


def test_the_library_the_warnings_and_the_uncaught_go_the_same_way() -> None:
    sink = Sink()
    logging.getLogger("uvicorn.access").info('%s - "GET %s" %d', "1.2.3.4", "/x?token=canary&y=1", 200)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("password=canary", stacklevel=1)
    for error in (ValueError("token: canary"), SystemError("pin=482913")):
        sys.excepthook(type(error), error, None)
    thread = threading.Thread(target=lambda: [][len("password=x")])
    thread.start()
    thread.join()
    text = sink.text
    assert "canary" not in text
    assert "482913" not in text
    assert [line["logger"] for line in sink.lines] == ["uvicorn.access", "py.warnings", *["feiqian"] * 3]
    assert sink.lines[0]["event"] == '1.2.3.4 - "GET /x?token=***&y=1" 200'
    assert sink.lines[-1]["level"] == "critical"


def test_a_log_that_cannot_be_written_stops_nobody() -> None:
    class Full(io.RawIOBase):
        def write(self, _line: Any) -> int:
            raise OSError(28, "no space left")

    logs.configure("info", "json", cast(Any, Full()))
    logs.logger("test").info("x")
    logging.getLogger("y").error("x")
    closed = io.BytesIO()
    logs.configure("info", "json", closed)
    closed.close()
    logs.logger("test").info("x")


def test_threads_never_mix_lines() -> None:
    sink = Sink()
    threads = [
        threading.Thread(target=lambda: [sink.log.info("x" * 200) for _ in range(200)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sink.lines) == 800


def test_requests_are_told_apart_across_tasks() -> None:
    sink = Sink()

    async def one(id: str) -> None:
        with logs.request(id):
            await asyncio.sleep(0)
            sink.log.info("in", mine=id)

    async def both() -> None:
        await asyncio.gather(*(one(f"req_{at}") for at in range(5)))

    asyncio.run(both())
    assert all(line["request_id"] == line["mine"] for line in sink.lines if line["event"] == "in")


def test_a_logger_used_before_configure_masks_too(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    structlog.reset_defaults()
    handlers, hook = logging.getLogger().handlers[:], sys.excepthook
    logs.logger("early").info("early", password="canary")
    read = capfdbinary.readouterr()
    assert b"early" in read.err
    assert b"canary" not in read.out + read.err
    assert (logging.getLogger().handlers, sys.excepthook) == (handlers, hook)


def test_a_usual_line_is_cheap() -> None:
    """About 15 microseconds on an idle machine; the bound leaves room for a busy one."""
    sink = Sink()
    log = sink.log

    def line() -> None:
        log.info(
            "payment.captured", payment="pay_01932c5e8f4a7b3c9d2e1f0a5b6c7d8e", amount_minor=1, currency="CNY"
        )

    best = min(_seconds(line) for _ in range(5))
    assert best < 100e-6


def _seconds(act: Callable[[], None], times: int = 2_000) -> float:
    started = time.perf_counter()
    for _ in range(times):
        act()
    return (time.perf_counter() - started) / times
