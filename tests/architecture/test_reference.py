"""The reference pages say what the code does, and every error can be read in two languages."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest
from tools import reference

from feiqian.kernel.errors import Refused

reference.import_all()


@pytest.mark.parametrize("name", reference.PAGES)
def test_a_page_is_what_the_code_gives(name):
    assert reference.stored(name) == reference.PAGES[name](), f"docs/reference/{name} is old: run `make docs`"


def test_no_page_is_left_over():
    assert {path.name for path in reference.FOLDER.iterdir()} == set(reference.PAGES)


def test_every_error_has_its_own_code_and_two_languages():
    owing = {kind.__qualname__: lacking for kind in KINDS if (lacking := reference.untold(kind))}
    assert not owing


def test_no_two_errors_share_a_code():
    shared = [code for code, times in Counter(kind.code for kind in KINDS).items() if times > 1]
    assert not {code: [reference.where(k) for k in KINDS if k.code == code] for code in shared}


KINDS = reference.error_classes()


def test_an_error_that_owes_something_is_found():
    class Silent(Refused):
        status = 422

    class Loud(Refused):
        """It is ours, and blames you."""

        code, status, zh = "loud", 500, "响。"

    # Classes defined here are no part of the family: it is read once, and by module.
    assert reference.untold(Silent) == ["code", "zh", "docstring"]
    assert reference.untold(Loud) == ["a status that blames the caller, or 503"]
    assert Silent not in reference.error_classes()


def test_events_are_collected_wherever_they_are_told():
    source = """
_TOLD = {"frozen": "wallet.frozen"}
def _release(sheet, event): sheet.tell(payment, event)
def cancel(): _release(sheet, "payment.cancelled")
def settle(): sheet.tell(payment, "payment.captured" if captured else "refund.succeeded")
def other(): raise Wrong("amount.currency")
def log(): logger.info("payment.logged")
"""
    assert set(reference.events_in(ast.parse(source))) == {
        "wallet.frozen",
        "payment.cancelled",
        "payment.captured",
        "refund.succeeded",
    }


def test_the_tool_says_which_page_is_old(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setattr(reference, "FOLDER", tmp_path / "reference")
    assert reference.main(["--check"]) == 1
    assert reference.main([]) == 0
    assert reference.main(["--check"]) == 0
    (tmp_path / "reference" / "errors.md").write_text("old")
    assert reference.main(["--check"]) == 1
    assert "docs/reference/errors.md is out of date; run `make docs`" in capsys.readouterr().err
