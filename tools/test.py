"""Test: run pytest side by side on up to four cores, leaving out only what cannot run here, and saying so."""

from __future__ import annotations

import ast
import importlib.util
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORKERS_MAX = 4
PACKAGES = {"hypothesis", "schemathesis", "iso4217", "anyio", "xdist"}  # imported by tests, not by us


def main(arguments: list[str]) -> int:
    """Hand over to pytest."""
    absent = {name for name in PACKAGES | {"pytest"} if importlib.util.find_spec(name) is None}
    if "pytest" in absent:
        print("pytest could not be installed, so no test can run. See the message above.", file=sys.stderr)
        return 1
    command = [sys.executable, "-m", "pytest"]
    own = any(argument.startswith(("-n", "--numprocesses", "--pdb")) for argument in arguments)
    if "xdist" not in absent and not own:
        command += ["-n", str(min(WORKERS_MAX, os.cpu_count() or 1))]
    for path in sorted((ROOT / "tests").rglob("*.py")) if absent else ():
        if lacking := imported(path) & absent:
            print(f"left out: {path.relative_to(ROOT)} needs {', '.join(sorted(lacking))}", file=sys.stderr)
            command.append(f"--ignore={path}")
    os.chdir(ROOT)
    sys.stderr.flush()
    os.execv(command[0], [*command, *arguments])


def imported(path: Path) -> set[str]:
    """The top-level names of what a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
