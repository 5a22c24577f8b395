"""Imports go down; sideways only along drawn arrows; products never import each other."""

from __future__ import annotations

from pathlib import Path

import pytest

import feiqian
from tests.architecture.floors import judge, read_code, read_plan

ROOT = Path(__file__).parents[2]


def test_the_code_is_built_as_architecture_md_says():
    plan = read_plan((ROOT / "ARCHITECTURE.md").read_text("utf-8"))
    faults = judge(plan, read_code(Path(feiqian.__file__).parent))
    assert not faults, "\n" + "\n".join(faults)


PLAN = """
| floor | module | what it does |
| --- | --- | --- |
| 6 doors | `web` | pages |
| 5 products | `scenes/shop` | shops |
| 5 products | `scenes/transfer` | transfers |
| 3 means | `pricing` | fees |
| 3 means | `merchants` | who is paid |
| 0 kernel | `kernel` | money |

- `merchants > pricing`: a contract names terms.
- `kernel` reads `merchant`: for the sake of the test.
"""
WELL = {
    "__init__.py": "",
    "wiring.py": "from feiqian.scenes.shop import pay",
    "web/app.py": "from feiqian import __version__, wiring\nfrom feiqian.scenes.shop import pay",
    "scenes/__init__.py": "",
    "scenes/shop/pay.py": "import datetime\nfrom feiqian.kernel.money import Money",
    "scenes/transfer/send.py": "import feiqian.merchants.contract",
    "merchants/contract.py": "from feiqian.pricing import fee\nfrom . import find",
    "pricing/__init__.py": "",
    "kernel/money.py": "import decimal",
    "merchants/schema/0001-merchants.sql": "create table merchant (id uuid);",
    "scenes/shop/queries.sql": "-- update merchant\nselect 1 from merchant",
    "kernel/queries.sql": "select 1 from merchant",
}


def test_a_sound_house_has_no_fault():
    assert judge(read_plan(PLAN), WELL) == []


@pytest.mark.parametrize(
    ("path", "source", "said"),
    [
        ("kernel/a.py", "from feiqian.pricing import fee", "upward from floor 0 to 3"),
        ("kernel/a.py", "def f():\n    import feiqian.web.app", "a.py:2 imports feiqian.web.app, upward"),
        ("kernel/a.py", "from feiqian import web", "imports feiqian.web, upward"),
        ("kernel/a.py", "from ..pricing import fees", "imports feiqian.pricing.fees, upward"),
        ("merchants/a.py", "if TYPE_CHECKING:\n    from feiqian.scenes.shop import pay", "upward"),
        ("pricing/a.py", "from feiqian.merchants import x", "sideways on floor 3 without an arrow"),
        ("scenes/shop/a.py", "from feiqian.scenes.transfer import send", "sideways on floor 5"),
        ("scenes/shop/a.py", "from feiqian.scenes import transfer", "sideways on floor 5"),
        ("scenes/shop/a.py", "from feiqian import wiring", "imports wiring, which only doors may"),
        ("scenes/__init__.py", "from feiqian.scenes import shop", "scenes is only a folder"),
        ("scenes/shop/b.sql", "update merchant set a = 1;", "writes merchant, a table of merchants"),
        ("scenes/shop/b.sql", "delete\n from merchant;", "writes merchant"),
        ("pricing/b.sql", "select 1 from a join merchant b", "reads merchant, a table of merchants"),
        ("kernel/b.sql", "insert into merchant values (1)", "writes merchant"),
        ("attic/a.py", "", "attic is missing from the floors"),
        ("helpers.py", "", "helpers is missing from the floors"),
    ],
)
def test_a_fault_is_found_and_named(path, source, said):
    (fault,) = judge(read_plan(PLAN), WELL | {path: source})
    assert said in fault


def test_an_exception_that_is_not_needed_is_found():
    (fault,) = judge(read_plan(PLAN), WELL | {"kernel/queries.sql": "select 1"})
    assert fault == "the exception that kernel reads merchant is not needed"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("| 3 means | `rails` | ways out |", "rails stands on a floor"),
        ("- `scenes/shop > scenes/transfer`: no", "joins two products"),
        ("- `web > pricing`: no", "does not join two modules of one floor"),
        ("- `merchants > nobody`: no", "does not join two modules of one floor"),
        ("- `pricing > merchants`: no", "go both ways"),
    ],
)
def test_a_plan_that_is_wrong_is_found(line, said):
    faults = judge(read_plan(PLAN + line + "\n"), WELL)
    assert any(said in fault for fault in faults)


def test_a_module_stands_on_one_floor():
    with pytest.raises(ValueError, match="twice"):
        read_plan(PLAN + "| 1 books | `pricing` | again |\n")
