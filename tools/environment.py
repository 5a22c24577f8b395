"""Environment: make .venv by the first way that works here, and install the project into it.

Called by tools/setup, which chooses the interpreter; only the standard library is used. The ways, in
order: uv; `python -m venv`; `python -m venv --without-pip` with pip's own wheel, which is how it goes
on a Debian without python3-venv; virtualenv, fetched by pip. A mirror or a folder of wheels
configured for pip or uv is used as configured.
"""

from __future__ import annotations

import configparser
import hashlib
import html.parser
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import urllib.parse
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / "python"
BUILD = ["hatchling", "editables"]  # what builds the project itself; pinned like all else
MISSING = VENV / ".missing"
NO_VENV = """
.venv could not be made. On Debian or Ubuntu this mends it:

    apt-get install python3-venv

Elsewhere: install uv, or pip, for this Python: {python}
"""
NO_PACKAGES = """
.venv was made, but the packages could not be installed into it. Can a package index be reached from here?
A mirror or a folder of wheels can be named: PIP_INDEX_URL=... or PIP_FIND_LINKS=... before the command.
"""


class Failed(Exception):
    """One way did not work; the next one is tried."""


def main(extra: str, state: str) -> int:
    """Make the environment. extra: core or dev. state: what the stamp will say."""
    say(f"Setting up .venv for {extra} with Python {sys.version.split()[0]} ...")
    for stamp in VENV.glob(".done-*"):
        stamp.unlink()
    reasons, advice = [], NO_VENV.format(python=sys.executable)
    for way in WAYS:
        try:
            install = way()
        except Failed as failure:
            reasons.append(f"{way.__doc__}: {failure}")
            continue
        try:
            install([*BUILD])
            install(["--no-build-isolation", "-e", str(ROOT)])
            break
        except Failed as failure:
            reasons.append(f"{way.__doc__}, installing: {failure}")
            advice = NO_PACKAGES
            if way is not by_uv:  # pip may know an index that uv does not; another pip knows no more
                say("\n".join(reasons) + "\n" + advice)
                return 1
    else:
        say("\n".join(reasons) + "\n" + advice)
        return 1
    missing = install_each(install, dev_requirements()) if extra == "dev" else []
    MISSING.write_text("".join(f"{name}\n" for name in missing))
    # The first start is the one that people judge by; it should not spend its time on compiling.
    subprocess.run([PYTHON, "-m", "compileall", "-q", ROOT / "src"], check=False)
    if missing:
        say(
            f"Could not install: {', '.join(missing)}. What needs them is left out; `make setup` tries again."
        )
    (VENV / f".done-{extra}").write_text(state + "\n")
    return 0


# The ways. Each makes .venv and returns a function that installs requirements into it, or raises Failed.


def by_uv() -> Callable[[list[str]], None]:
    """uv"""
    uv = shutil.which("uv")
    if uv is None:
        raise Failed("not installed")
    if not usable():
        clear()
        # Never a Python from the network: the one chosen is good.
        run([uv, "venv", "-q", "--no-python-downloads", "--python", sys.executable, VENV])
    pip = [uv, "pip", "install", "-q", "--compile-bytecode", "--python", PYTHON]
    return lambda what: run([*pip, "-c", ROOT / "constraints.txt", *what])


def by_venv() -> Callable[[list[str]], None]:
    """python -m venv"""
    if usable():
        with suppress(Failed):
            return with_pip()
    clear()
    run([sys.executable, "-m", "venv", VENV])
    return with_pip()


def by_bare_venv() -> Callable[[list[str]], None]:
    """python -m venv --without-pip, and pip's wheel"""
    if not usable():
        clear()
        run([sys.executable, "-m", "venv", "--without-pip", VENV])
    with tempfile.TemporaryDirectory() as folder:
        wheel = pip_wheel(Path(folder))
        # A wheel is a zip file, from which Python can import: pip installs itself.
        run([PYTHON, "-m", "pip", "install", "-q", "--no-index", wheel], PYTHONPATH=str(wheel))
    return with_pip()


def by_virtualenv() -> Callable[[list[str]], None]:
    """virtualenv, fetched by pip"""
    with tempfile.TemporaryDirectory() as folder:
        run([sys.executable, "-m", "pip", "install", "-q", "--target", folder, "virtualenv"])
        clear()
        run([sys.executable, "-m", "virtualenv", "-q", VENV], PYTHONPATH=folder)
    return with_pip()


WAYS = (by_uv, by_venv, by_bare_venv, by_virtualenv)


def with_pip() -> Callable[[list[str]], None]:
    run([PYTHON, "-m", "pip", "--version"])
    pip = [PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    return lambda what: run([*pip, "-c", ROOT / "constraints.txt", *what])


def usable() -> bool:
    """Whether .venv is there already, in this place, with the Python chosen."""
    asked = "import sys; print(sys.prefix, *sys.version_info[:3])"
    try:
        answer = subprocess.run([PYTHON, "-c", asked], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return answer.stdout.split() == [str(VENV), *map(str, sys.version_info[:3])]


def clear() -> None:
    shutil.rmtree(VENV, ignore_errors=True)


def run(command: list[object], **environ: str) -> None:
    """Raises: Failed with the last line that the command said."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=ROOT,
            env=os.environ | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    except OSError as error:
        raise Failed(str(error)) from None
    if done.returncode:
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        raise Failed(" ".join(lines[-2:]) or f"exit {done.returncode}")


def dev_requirements() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return list(project["optional-dependencies"]["dev"])


def install_each(install: Callable[[list[str]], None], requirements: list[str]) -> list[str]:
    """All at once; should that fail, one by one. -> the names that could not be had."""
    try:
        install(requirements)
    except Failed:
        missing = []
        for requirement in requirements:
            try:
                install([requirement])
            except Failed:
                missing.append(re.split(r"[^\w-]", requirement)[0])
        return missing
    return []


# Pip itself, when neither venv nor the system brings it.


def pip_wheel(folder: Path) -> Path:
    """Pip's wheel in folder, by the pip of this machine if it has one, else from an index that is named."""
    try:
        run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, "pip"])
    except Failed:
        for index in indexes():
            try:
                fetch_pip(index, folder)
                break
            except OSError as error:
                say(f"{urllib.parse.urlsplit(index).hostname}: {error}")
    for wheel in folder.glob("pip-*.whl"):
        return wheel
    raise Failed("pip's wheel could not be fetched")


def indexes() -> list[str]:
    """Where packages come from, as the environment or pip's files say; nowhere when they do not."""
    named = [os.environ.get(name) for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")]
    files = configparser.RawConfigParser(strict=False)
    home = Path.home()
    files.read(["/etc/pip.conf", home / ".pip/pip.conf", home / ".config/pip/pip.conf"])
    named.append(files.get("global", "index-url", fallback=None))
    return [index for index in named if index]


def fetch_pip(index: str, folder: Path) -> None:
    """The newest pip of an index, checked against the digest the index states."""

    class Links(html.parser.HTMLParser):
        found: list[str] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found += [value for name, value in attrs if tag == "a" and name == "href" and value]

    page = index.rstrip("/") + "/pip/"
    with urllib.request.urlopen(page, timeout=60) as answer:
        links = Links()
        links.feed(answer.read().decode())
    wheels = {}
    for link in links.found:
        address, _, digest = urllib.parse.urljoin(page, link).partition("#sha256=")
        name = address.rpartition("/")[2]
        if digest and (version := re.fullmatch(r"pip-(\d+)\.(\d+)(?:\.(\d+))?-py3-none-any\.whl", name)):
            wheels[tuple(int(part or 0) for part in version.groups())] = (address, name, digest)
    if not wheels:
        raise OSError("no wheel of pip with a digest")
    address, name, digest = wheels[max(wheels)]
    with urllib.request.urlopen(address, timeout=60) as answer:
        content = answer.read()
    if hashlib.sha256(content).hexdigest() != digest:
        raise OSError("pip's wheel does not match its digest")
    (folder / name).write_bytes(content)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
