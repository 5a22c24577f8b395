"""Floors: reads the plan out of ARCHITECTURE.md, imports and tables out of the code, and judges.

Pure but for `read_code`: tests hand it small plans and sources to see that it can say no.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "feiqian"
EXEMPT = {"", "__main__", "wiring"}  # the version; `python -m`; what binds names to functions
GROUPS = {"scenes"}  # folders of modules; their own __init__.py says what they are and imports nothing
PRODUCTS = 5  # the floor on which no arrow may be drawn

_ROW = re.compile(r"^\| (\d) [\w ]+ \| `([\w/]+)` \|", re.MULTILINE)
_EXCEPTION = re.compile(r"^- `([\w/]+)` (reads|writes) `(\w+)`", re.MULTILINE)
_MADE = re.compile(r"\bcreate table (\w+)")
_USED = re.compile(r"\b(delete\s+from|insert\s+into|update|from|join|references)\s+(\w+)")
_COMMENT = re.compile(r"--.*")
_ARROW = re.compile(r"^- `([\w/]+) > ([\w/]+)`", re.MULTILINE)


@dataclass(frozen=True)
class Plan:
    """What ARCHITECTURE.md says. exceptions: module, reads or writes, and a table of another's."""

    floors: Mapping[str, int]
    arrows: frozenset[tuple[str, str]]
    exceptions: frozenset[tuple[str, str, str]] = frozenset()


def read_plan(text: str) -> Plan:
    """The plan in a Markdown text. Raises: ValueError for a module named twice."""
    rows = [(name, int(floor)) for floor, name in _ROW.findall(text)]
    if len(rows) != len(dict(rows)):
        raise ValueError("a module stands in the table twice")
    return Plan(dict(rows), frozenset(_ARROW.findall(text)), frozenset(_EXCEPTION.findall(text)))


def read_code(folder: Path) -> dict[str, str]:
    """Python and SQL below the package's folder: path, as in `scenes/shop/pay.py`, to text."""
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8")
        for path in sorted(folder.rglob("*"))
        if path.suffix in {".py", ".sql"}
    }


def judge(plan: Plan, sources: Mapping[str, str]) -> list[str]:
    """Everything in which plan and code differ, as sentences; empty when all is well."""
    code = {path: text for path, text in sources.items() if path.endswith(".py")}
    modules = {module_of(path) for path in code} - EXEMPT - GROUPS
    faults = [
        f"{name} is missing from the floors in ARCHITECTURE.md" for name in sorted(modules - set(plan.floors))
    ]
    faults += [
        f"{name} stands on a floor in ARCHITECTURE.md but not in the code"
        for name in sorted(set(plan.floors) - modules)
    ]
    faults += list(_drawn_wrongly(plan))
    for path in sorted(code):
        faults += _judge_file(plan, path, code[path])
    return faults + list(_judge_tables(plan, {p: sources[p] for p in sources if p.endswith(".sql")}))


def _drawn_wrongly(plan: Plan) -> Iterator[str]:
    for start, end in sorted(plan.arrows):
        floor = plan.floors.get(start)
        if floor is None or floor != plan.floors.get(end):
            yield f"the arrow {start} > {end} does not join two modules of one floor"
        elif floor == PRODUCTS:
            yield f"the arrow {start} > {end} joins two products"
        elif (end, start) in plan.arrows:
            yield f"the arrows between {start} and {end} go both ways"


def _judge_file(plan: Plan, path: str, source: str) -> Iterator[str]:
    start = module_of(path)
    if start in EXEMPT:
        return
    for line, imported in imports(path, source):
        end = module_of_name(imported)
        if end in {"", start} or start in GROUPS:
            if start in GROUPS:
                yield f"{path}:{line} imports {imported}, but {start} is only a folder"
            continue
        here, there = plan.floors.get(start), plan.floors.get(end)
        if end in EXEMPT:
            if here is not None and here < max(plan.floors.values()):
                yield f"{path}:{line} imports {end}, which only doors may"
        elif here is None or there is None:
            continue  # said already, once for the module
        elif there > here:
            yield f"{path}:{line} imports {imported}, upward from floor {here} to {there}"
        elif there == here and ((start, end) not in plan.arrows or here == PRODUCTS):
            yield f"{path}:{line} imports {imported}, sideways on floor {here} without an arrow"


def _judge_tables(plan: Plan, sql: Mapping[str, str]) -> Iterator[str]:
    plain = {path: _COMMENT.sub("", text) for path, text in sql.items()}
    owners = {table: module_of(path) for path, text in plain.items() for table in _MADE.findall(text)}
    needed = set()
    for path in sorted(plain):
        module = module_of(path)
        for word, table in dict.fromkeys(_USED.findall(plain[path])):
            owner = owners.get(table, module)
            verb = "reads" if word in {"from", "join", "references"} else "writes"
            if owner == module or (verb == "reads" and _may_use(plan, module, owner)):
                continue
            needed.add((module, verb, table))
            if (module, verb, table) not in plan.exceptions:
                yield f"{path} {verb} {table}, a table of {owner}"
    for module, verb, table in sorted(plan.exceptions - needed):
        # What writes a table also reads it.
        if not (verb == "reads" and (module, "writes", table) in needed):
            yield f"the exception that {module} {verb} {table} is not needed"


def _may_use(plan: Plan, start: str, end: str) -> bool:
    here, there = plan.floors.get(start), plan.floors.get(end)
    return here is None or there is None or there < here or (start, end) in plan.arrows


def module_of(path: str) -> str:
    """The module a file belongs to: `ledger/post.py` to ledger, `scenes/shop/pay.py` to scenes/shop."""
    parts = re.sub(r"(/__init__)?\.py$", "", path).split("/")
    if parts == ["__init__"]:
        return ""
    return "/".join(parts[:2]) if parts[0] in GROUPS else parts[0]


def module_of_name(name: str) -> str:
    """The module a dotted name lies in; `""` for the package itself."""
    parts = name.split(".")[1:]
    # `from feiqian import __version__` names a value of the package.
    if not parts or parts[0].startswith("__"):
        return ""
    return "/".join(parts[:2]) if parts[0] in GROUPS else parts[0]


def imports(path: str, source: str) -> Iterator[tuple[int, str]]:
    """Line and full name of everything a file imports from the package, also inside functions."""
    package = [PACKAGE, *path.split("/")[:-1]]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == PACKAGE:
                    yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            if base.split(".")[0] == PACKAGE:
                for alias in node.names:
                    yield node.lineno, f"{base}.{alias.name}"
