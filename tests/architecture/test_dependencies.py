"""What the code imports is what pyproject.toml names, and constraints.txt gives each one a version."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
CORE = PROJECT["dependencies"]
DEV = PROJECT["optional-dependencies"]["dev"]
HERE = {"feiqian", "tests", "bench", "tools"}
OTHER_NAMES = {"argon2": "argon2-cffi"}  # imported as one, installed as the other


def name_of(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-")


def imported(folder: Path) -> dict[str, str]:
    """Top-level names from outside the standard library, each with a file that imports it."""
    found = {}
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in names:
                top = name.partition(".")[0]
                if top not in sys.stdlib_module_names and top not in HERE:
                    name = OTHER_NAMES.get(top, top)
                    found[name.lower().replace("_", "-")] = str(path.relative_to(ROOT))
    return found


@pytest.mark.parametrize(
    ("folder", "named"),
    [("src", CORE), ("bench", CORE + DEV), ("tests", CORE + DEV), ("tools", CORE + DEV)],
)
def test_imports_are_named_in_pyproject(folder, named):
    undeclared = imported(ROOT / folder).keys() - {name_of(requirement) for requirement in named}
    assert not {name: imported(ROOT / folder)[name] for name in undeclared}


def test_every_dependency_has_an_exact_version():
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "constraints.txt").read_text("utf-8"), re.M))
    assert not {name_of(requirement) for requirement in CORE + DEV} - pinned.keys(), "run `make constraints`"


def test_the_versions_come_from_no_particular_index():
    text = (ROOT / "constraints.txt").read_text("utf-8")
    assert "://" not in text
    assert "--" not in text
