"""Reference: prints docs/reference from the code, so that the pages cannot say anything else.

`make docs` writes the pages; `python tools/reference.py --check` only says which ones are out of date.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import feiqian
from feiqian.instruments.limits import RULES, Rule
from feiqian.kernel.currency import currency
from feiqian.kernel.errors import FeiqianError, Refused, family
from feiqian.kernel.settings import describe
from feiqian.ledger.chart import CHART, MOVEMENTS
from feiqian.ledger.transfer import STICKY, Result
from feiqian.payments.lifecycle import LIFECYCLE

ROOT = Path(__file__).resolve().parent.parent
CODE = Path(feiqian.__file__).parent
FOLDER = ROOT / "docs" / "reference"
PRINTED = "<!-- Printed from the code by `make docs`. Change the code, not this page. -->"


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with --check name those that differ."""
    import_all()
    pages = {name: page() for name, page in PAGES.items()}
    if "--check" in arguments:
        old = [name for name, text in pages.items() if stored(name) != text]
        for name in old:
            print(f"docs/reference/{name} is out of date; run `make docs`", file=sys.stderr)
        return 1 if old else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        if stored(name) != text:
            (FOLDER / name).write_text(text, encoding="utf-8")
            print(f"wrote docs/reference/{name}")
    return 0


def stored(name: str) -> str | None:
    """The page as it lies in the repository."""
    path = FOLDER / name
    return path.read_text("utf-8") if path.is_file() else None


def import_all() -> None:
    """Import every module, so that every class is known. `__main__` would run."""
    for module in pkgutil.walk_packages(feiqian.__path__, "feiqian."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


# Pages ------------------------------------------------------------------------------------------------


def errors() -> str:
    """Every error that has a code, by code."""
    rows = [
        (
            f"`{kind.code}`",
            str(kind.status),
            kind.text("en"),
            kind.text("zh"),
            "yes" if kind.retryable else "",
            f"`{where(kind)}`",
        )
        for kind in sorted(error_classes(), key=lambda kind: (kind.code, kind.__qualname__))
    ]
    return page(
        "Errors",
        "An answer that is not a success is a problem document (RFC 9457) with one of these codes. The\n"
        "code is the contract; the texts may be improved. Facts named in an error, such as the limit that\n"
        "was met, stand beside it as fields. `again`: the same request, with the same `Idempotency-Key`,\n"
        "may be sent again. Errors with status 500 are ours: nothing about the request can mend them.",
        table(("code", "status", "message", "中文", "again", "class"), rows),
    )


def error_classes() -> list[type[FeiqianError]]:
    """The family of errors without doubles."""
    return list(dict.fromkeys(kind for kind in family() if kind.__module__.startswith("feiqian.")))


def where(kind: type) -> str:
    return f"{kind.__module__.removeprefix('feiqian.')}.{kind.__qualname__}"


def events() -> str:
    """Events and jobs by name."""
    told, jobs = collect_events()
    return page(
        "Events",
        "What has happened, told in the order of commits, in the same transaction as the change itself\n"
        "(docs/decisions/0006-events-are-rows.md). An event carries the object as it stood then.\n"
        "This list is collected from the literals in the code: the names given to a function whose name\n"
        "says tell, or to a parameter called `type` or `event` of one in the same file, or kept in a\n"
        "table called TOLD.",
        table(
            ("event", "data", "told in"),
            [(f"`{name}`", keys, ", ".join(f"`{path}`" for path in paths)) for name, keys, paths in told],
        ),
        "## Jobs",
        "What must be done later, stored in the same way, and done by `jobs.py` when due.",
        table(
            ("job", "asked for in"),
            [(f"`{name}`", ", ".join(f"`{path}`" for path in paths)) for name, paths in jobs],
        ),
    )


def states() -> str:
    """The lifecycle of a payment."""
    drawing = ["stateDiagram-v2", "    [*] --> created"]
    drawing += [f"    {change.start} --> {change.end}: {change.step}" for change in LIFECYCLE]
    starts = {change.start for change in LIFECYCLE}
    ends = dict.fromkeys(change.end for change in LIFECYCLE if change.end not in starts)
    drawing += [f"    {end} --> [*]" for end in ends]
    return page(
        "States of a payment",
        "One table says how a payment may live; `payments/lifecycle.py` holds it and refuses every other\n"
        "step with `wrong_state`. The states `held`, `sent`, `declined`, `expired`, `disputed` and\n"
        "`charged_back` are for gates that wait, rails and disputes, which are not built yet.",
        "```mermaid\n" + "\n".join(drawing) + "\n```",
        table(("from", "step", "to"), [tuple(f"`{word}`" for word in change) for change in LIFECYCLE]),
    )


def settings() -> str:
    """Every setting."""
    rows = [(f"`{row.key}`", f"`{row.env}`", row.type, f"`{row.default}`", row.text) for row in describe()]
    return page(
        "Settings",
        "Later layers win: defaults, one TOML file (`feiqian.toml` here or in the user's configuration\n"
        "folder, or the one `FEIQIAN_CONFIG` names), the environment, flags. A dot in a key is a section in\n"
        "the file. Unknown keys stop the start and name the nearest known one.",
        table(("key", "variable", "type", "default", "meaning"), rows),
    )


def accounts() -> str:
    """The chart of accounts, the movements, and the limits of the law."""
    chart = [
        (str(kind.code), f"`{kind.name}`", kind.zh, kind.side, "yes" if kind.bounded else "", kind.about)
        for kind in CHART
    ]
    movements = [(str(each.code), f"`{each.name}`", each.zh) for each in MOVEMENTS]
    return page(
        "Accounts, movements, limits",
        "## Chart of accounts",
        "`side`: where the balance normally stands. `bounded`: it may not cross to the other side, pending\n"
        "amounts included.",
        table(("code", "kind", "中文", "side", "bounded", "meaning"), chart),
        "## Movements",
        table(("code", "movement", "中文"), movements),
        "## Limits by law",
        "Dated data in `instruments/limits.toml`. Class 1 to 3 is the account class of a person; code a to\n"
        "d is the class of the code that was shown. An owner's own limits come on top of these.",
        table(("scope", "limit", "per", "from", "until", "source"), [limit_row(rule) for rule in RULES]),
    )


def limit_row(rule: Rule) -> tuple[str, ...]:
    most = f"{rule.most}"
    if rule.measure == "amount":
        whole, rest = divmod(rule.most, currency(rule.currency).scale)
        most = f"{whole:,} {rule.currency}" if not rest else f"{rule.most:,} minor units of {rule.currency}"
    period = {"life": "life of the account"}.get(rule.period, rule.period)
    until = str(rule.until or "")
    return f"`{rule.scope}`", most, period, str(rule.since), until, rule.source


def results() -> str:
    """The ledger's answers, in order of checking."""
    rows = [
        (str(n), f"`{result.value}`", "yes" if result in STICKY else "") for n, result in enumerate(Result)
    ]
    return page(
        "Answers of the ledger",
        "One per transfer, in this order of checking: the first that applies is the answer. Names and order\n"
        "follow TigerBeetle's published model, with unit for its ledger; they are a contract, and tested.\n"
        "`sticky`: the id keeps this refusal and answers `id_already_failed` for ever\n"
        "(docs/decisions/0007-refused-ids-stay-refused.md).",
        table(("order", "answer", "sticky"), rows),
    )


PAGES: dict[str, Callable[[], str]] = {
    "errors.md": errors,
    "events.md": events,
    "states.md": states,
    "settings.md": settings,
    "accounts.md": accounts,
    "results.md": results,
}


# Events, read from the source -------------------------------------------------------------------------

_EVENT = re.compile(r"[a-z_]+\.[a-z_]+")


def collect_events(
    code: Path = CODE,
) -> tuple[list[tuple[str, str, list[str]]], list[tuple[str, list[str]]]]:
    """-> events with the keys of their data and the files that tell them; jobs with their files."""
    told: dict[str, tuple[set[str], set[str]]] = {}
    jobs: dict[str, set[str]] = {}
    for path in sorted(code.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        short = path.relative_to(code).as_posix()
        keys = {key for call in calls(tree, "tell") for key in dict_keys(call)}
        for name in events_in(tree):
            files, data = told.setdefault(name, (set(), set()))
            files.add(short)
            data.update(keys)
        for call in calls(tree, "do"):
            for name in literals(call):
                jobs.setdefault(name, set()).add(short)
    return (
        [(name, data_text(name, data), sorted(files)) for name, (files, data) in sorted(told.items())],
        [(name, sorted(files)) for name, files in sorted(jobs.items())],
    )


def data_text(name: str, keys: set[str]) -> str:
    """What the call that tells does not show: payments are told by a worksheet, others by a function."""
    if not keys:
        thing = name.partition(".")[0]
        keys = {"payment" if thing == "refund" else thing}
    return ", ".join(f"`{key}`" for key in sorted(keys))


def events_in(tree: ast.Module) -> Iterator[str]:
    """The event types written in a file."""
    passing = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and {arg.arg for arg in [*node.args.args, *node.args.kwonlyargs]} & {"type", "event"}
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ("tell" in called(node) or called(node) in passing):
            yield from literals(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if node.value and any(isinstance(t, ast.Name) and "TOLD" in t.id for t in targets):
                yield from literals(node.value)


def called(call: ast.Call) -> str:
    """The last name of what is called."""
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called(node) == name:
            yield node


def literals(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str) and _EVENT.fullmatch(inner.value):
            yield inner.value


def dict_keys(call: ast.Call) -> Iterator[str]:
    for argument in call.args:
        if isinstance(argument, ast.Dict):
            for key in argument.keys:
                if isinstance(key, ast.Constant):
                    yield str(key.value)


# Pages in general -------------------------------------------------------------------------------------


def page(title: str, *parts: str) -> str:
    return "\n\n".join([f"# {title}", PRINTED, *parts]) + "\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    lines += [f"| {' | '.join(cell(text) for text in row)} |" for row in rows]
    return "\n".join(lines)


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def untold(kind: type[FeiqianError]) -> list[str]:
    """What an error class still owes: a code, a Chinese text, a message, in its own body."""
    own = vars(kind)
    lacking = [name for name in ("code", "zh") if name not in own]
    if not (own.get("__doc__") or "").strip():
        lacking.append("docstring")
    if issubclass(kind, Refused) and kind.status >= 500 and kind.status != 503:
        lacking.append("a status that blames the caller, or 503")
    return lacking


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
