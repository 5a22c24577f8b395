"""Bins: what the first digits of a card number say: who issued it, and what kind of card it is."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

CardKind = Literal["debit", "credit", "semi_credit", "prepaid", "unknown"]

_DATA = Path(__file__).parent / "data"
_KINDS: dict[str, CardKind] = {"DC": "debit", "CC": "credit", "SCC": "semi_credit", "PC": "prepaid"}


class Issuer(NamedTuple):
    """name: None when the table does not know the digits. prefix: the digits that told."""

    name: str | None
    kind: CardKind
    prefix: str = ""


UNKNOWN = Issuer(None, "unknown")


def recognise(number: str) -> Issuer:
    """Who issued this card number: of the prefixes for numbers of its length, the longest wins."""
    table = _table()
    for length in range(min(10, len(number)), 2, -1):
        found = table.get((number[:length], len(number)))
        if found is not None:
            return found
    return UNKNOWN


@cache
def _table() -> dict[tuple[str, int], Issuer]:
    with (_DATA / "name.csv").open(encoding="utf-8", newline="") as file:
        names = {row["bank"]: row["name"] for row in csv.DictReader(file)}
    with (_DATA / "bin.csv").open(encoding="utf-8", newline="") as file:
        return {
            (row["bin"], int(row["length"])): Issuer(
                names.get(row["bank"], row["bank"]), _KINDS[row["type"]], row["bin"]
            )
            for row in csv.DictReader(file)
        }
