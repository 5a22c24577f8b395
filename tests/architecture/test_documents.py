"""Pages do not outlive what they speak of: links lead somewhere, named tests and files exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = ROOT / "src" / "feiqian"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
TESTS = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"def (test_\w+)", path.read_text("utf-8"))
}


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8"))
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_named_tests_exist(page):
    named = set(re.findall(r"`(test_\w+)`", page.read_text("utf-8")))
    assert not named - TESTS


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_named_files_exist(page):
    """A path in backticks is below the repository, or below src/feiqian."""
    if page.name == "CHANGELOG.md":
        return  # it speaks of what was
    named = re.findall(r"`([\w./-]+/[\w.-]+\.(?:py|sql|toml|md))\b", page.read_text("utf-8"))
    missing = [name for name in named if not (ROOT / name).exists() and not (CODE / name).exists()]
    assert not [name for name in missing if not name.startswith("feiqian/")]


def test_every_decision_has_its_parts():
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [path.name[:4] for path in decisions]
    assert numbers == [f"{n:04}" for n in range(1, len(numbers) + 1)]
    for path in decisions:
        text = path.read_text("utf-8")
        assert re.search(r"^Date: \d{4}-\d\d-\d\d$", text, re.M), path.name
        heads = re.findall(r"^## (.+)$", text, re.M)
        assert heads == ["Context", "Decision", "Price paid", "Alternatives"], path.name
