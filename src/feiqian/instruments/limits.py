"""Limits: how much and how often, per payment, day, year and life; by law and by the owner's own wish.

Pure rules over facts. Figures of the law are dated data in limits.toml with their source. Class A
codes have no figure of the law: what was agreed is the owner's own limit.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Literal
from uuid import UUID

import msgspec

from feiqian.kernel.errors import Refused
from feiqian.kernel.money import Money

Period = Literal["payment", "day", "year", "life"]
Measure = Literal["amount", "count"]


class OverLimit(Refused):
    """This is above a limit. Pay less, wait for the period to turn, or raise the limit."""

    code, status, zh = "over_limit", 422, "超过限额。请减少金额、等下一周期或提高限额。"


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A limit of the law. scope: class_1 to class_3 or code_a to code_d. most: minor units, or a count."""

    scope: str
    measure: Measure
    period: Period
    currency: str
    most: int
    since: date
    source: str
    until: date | None = None


class OwnLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A limit the owner chose for a wallet. most: minor units, or a count."""

    measure: Measure
    period: Literal["payment", "day", "year"]
    most: int


class Usage(msgspec.Struct):
    """What an owner has spent in a scope; day says which day and year the counters are of."""

    owner: UUID
    scope: str
    currency: str
    day: date
    day_amount: int = 0
    day_count: int = 0
    year_amount: int = 0
    year_count: int = 0
    life_amount: int = 0
    life_count: int = 0

    def turn_to(self, day: date) -> None:
        """Start new counters when the day or the year has turned; days only go forward."""
        if day <= self.day:
            return
        if day.year != self.day.year:
            self.year_amount = self.year_count = 0
        self.day_amount = self.day_count = 0
        self.day = day

    def add(self, amount: int) -> None:
        """Count one more payment."""
        self.day_amount += amount
        self.day_count += 1
        self.year_amount += amount
        self.year_count += 1
        self.life_amount += amount
        self.life_count += 1

    def take_back(self, amount: int, counted_on: date, *, whole: bool) -> None:
        """Forget what was held and never moved. whole: nothing of the payment moved at all.

        Only the counters of the period it was counted in change: yesterday's hold does not make
        today's limit larger.
        """
        count = 1 if whole else 0
        self.life_amount -= amount
        self.life_count -= count
        if counted_on.year == self.day.year:
            self.year_amount -= amount
            self.year_count -= count
        if counted_on == self.day:
            self.day_amount -= amount
            self.day_count -= count

    def used(self, measure: Measure, period: Period) -> int:
        """What counts against a limit; a single payment has used nothing yet."""
        return 0 if period == "payment" else int(getattr(self, f"{period}_{measure}"))


def _read() -> tuple[Rule, ...]:
    text = (Path(__file__).parent / "limits.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text)["rule"], tuple[Rule, ...])


RULES = _read()


def rules_for(scopes: Iterable[str], currency: str, on: date) -> Iterator[Rule]:
    """The rules of the law in force on a day."""
    wanted = set(scopes)
    for rule in RULES:
        in_force = rule.since <= on and (rule.until is None or on < rule.until)
        if in_force and rule.scope in wanted and rule.currency == currency:
            yield rule


def check(
    asked: Money,
    account_class: int | None,
    code_class: str | None,
    own: Iterable[OwnLimit],
    balance: Usage,
    by_code: Usage | None,
) -> None:
    """Pass, or raise OverLimit naming the rule, what it allows, what is used and what was asked.

    balance: spending from the owner's wallets in this currency. by_code: spending by codes of the
    same class. Both already turned to the day of the payment. Exactly at the limit passes.
    """
    scopes = [f"class_{account_class}"] if account_class else []
    if code_class:
        scopes.append(f"code_{code_class}")
    for rule in rules_for(scopes, asked.currency, balance.day):
        usage = by_code if rule.scope.startswith("code_") and by_code else balance
        _hold_to(rule.scope, rule.measure, rule.period, rule.most, usage, asked)
    for limit in own:
        _hold_to("own", limit.measure, limit.period, limit.most, balance, asked)


def _hold_to(scope: str, measure: Measure, period: Period, most: int, usage: Usage, asked: Money) -> None:
    wants = asked.minor if measure == "amount" else 1
    used = usage.used(measure, period)
    if used + wants > most:
        raise OverLimit("amount", limit=f"{scope}_{measure}_per_{period}", most=most, used=used, asked=wants)
