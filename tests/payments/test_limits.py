"""Limits: exactly at the limit passes, one unit more does not, and no crowd gets past together."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from uuid import uuid4

import pytest

from feiqian.instruments.limits import RULES, OverLimit, OwnLimit, Usage, check, rules_for
from feiqian.instruments.manage import set_limits
from feiqian.payments import Payment, lapse
from tests.street import Street, cny, code_of

pytestmark = pytest.mark.anyio

CLASSES = [(1, 1_000_00), (2, 100_000_00), (3, 200_000_00)]
CODES = [("b", 5_000_00), ("c", 1_000_00), ("d", 500_00)]


async def newcomer(street: Street, account_class: int) -> None:
    await street.person("carol", account_class=account_class)
    await street.town.fund(street.wallets["carol"], 1_000_000_00)


@pytest.mark.parametrize(("account_class", "most"), CLASSES)
async def test_account_classes_hold_to_the_fen(street: Street, account_class: int, most: int) -> None:
    """M9: exactly at the limit passes, one unit over fails; classes I to III."""
    await newcomer(street, account_class)
    assert code_of(await street.pay(most + 1, payer="carol")) == "over_limit"
    assert code_of(await street.pay(most - 1, payer="carol")) == "ok"
    assert code_of(await street.pay(2, payer="carol")) == "over_limit"
    assert code_of(await street.pay(1, payer="carol")) == "ok"
    assert code_of(await street.pay(1, payer="carol")) == "over_limit"


@pytest.mark.parametrize(("code_class", "most"), CODES)
async def test_code_classes_hold_for_a_local_day(street: Street, code_class: str, most: int) -> None:
    """M9: QR classes, and the day turns at local midnight, which in Shanghai is 16:00 UTC."""
    await newcomer(street, 3)
    refs = {"code_class": code_class}
    street.town.clock.at = datetime(2026, 11, 2, 15, 59, 59, tzinfo=UTC)
    assert code_of(await street.pay(most, payer="carol", refs=refs)) == "ok"
    assert code_of(await street.pay(1, payer="carol", refs=refs)) == "over_limit"
    assert code_of(await street.pay(1, payer="carol")) == "ok"  # not by code: another limit
    street.town.later(seconds=1)
    assert code_of(await street.pay(most + 1, payer="carol", refs=refs)) == "over_limit"
    assert code_of(await street.pay(most, payer="carol", refs=refs)) == "ok"


async def test_code_classes_count_apart_and_hold_together_with_the_account_class(street: Street) -> None:
    """M9: classes I to III and code classes A to D hold together."""
    await newcomer(street, 1)
    for code_class, amount, expected in [
        ("d", 500_00, "ok"),
        ("d", 1, "over_limit"),  # the code's day
        ("c", 500_00, "ok"),
        ("c", 1, "over_limit"),  # the account's life
        ("a", 1, "over_limit"),
    ]:
        answer = await street.pay(amount, payer="carol", refs={"code_class": code_class})
        assert code_of(answer) == expected, (code_class, amount)


async def test_a_class_of_a_life_never_turns_and_a_class_of_a_year_does(street: Street) -> None:
    """M9, F8: the year turns at local midnight of 1 January, and 29 February is a day like others."""
    await newcomer(street, 1)
    await street.person("dora", account_class=2)
    await street.town.fund(street.wallets["dora"], 1_000_000_00)
    street.town.clock.at = datetime(2027, 12, 31, 15, 59, tzinfo=UTC)
    assert code_of(await street.pay(1_000_00, payer="carol")) == "ok"
    assert code_of(await street.pay(100_000_00, payer="dora")) == "ok"
    street.town.later(minutes=1)
    assert code_of(await street.pay(1, payer="carol")) == "over_limit"
    assert code_of(await street.pay(99_999_99, payer="dora")) == "ok"
    street.town.clock.at = datetime(2028, 2, 29, 4, 0, tzinfo=UTC)
    assert code_of(await street.pay(2, payer="dora")) == "over_limit"
    assert code_of(await street.pay(1, payer="dora")) == "ok"


async def test_fifty_at_once_cannot_pass_a_limit_together(street: Street) -> None:
    """M9: 50 parallel requests of 30.00 against 1,000.00: 33 pass, whatever their order."""
    await newcomer(street, 1)
    answers = await asyncio.gather(*(street.pay(30_00, payer="carol") for _ in range(50)))
    assert sorted(map(code_of, answers)) == ["ok"] * 33 + ["over_limit"] * 17


async def test_fifty_in_one_batch_cannot_either(street: Street) -> None:
    await newcomer(street, 1)
    answers = await street.submit([street.order(30_00, payer="carol") for _ in range(50)])
    assert [code_of(each) for each in answers] == ["ok"] * 33 + ["over_limit"] * 17


async def test_what_the_ledger_refuses_uses_no_limit_up(street: Street) -> None:
    """A payment without money must not shrink what is left for one with money, also within a batch."""
    await street.person("carol", account_class=1)
    await street.town.fund(street.wallets["carol"], 600_00)
    answers = await street.submit([street.order(n, payer="carol") for n in (700_00, 600_00)])
    assert [code_of(each) for each in answers] == ["insufficient_funds", "ok"]
    await street.town.fund(street.wallets["carol"], 500_00)
    assert code_of(await street.pay(400_00, payer="carol")) == "ok"


@pytest.mark.parametrize(
    ("limit", "passes", "fails"),
    [
        (OwnLimit("amount", "payment", 50_00), [50_00, 50_00], 50_01),
        (OwnLimit("amount", "day", 50_00), [20_00, 30_00], 1),
        (OwnLimit("amount", "year", 50_00), [20_00, 30_00], 1),
        (OwnLimit("count", "day", 2), [1, 1], 1),
        (OwnLimit("count", "year", 2), [1, 1], 1),
    ],
)
async def test_own_limits_by_amount_and_count(
    street: Street, limit: OwnLimit, passes: list[int], fails: int
) -> None:
    """M9: per payment, day and year, by amount and by count."""
    await street.town.write(set_limits, street.wallets["alice"], [limit])
    for amount in passes:
        assert code_of(await street.pay(amount)) == "ok"
    refused = await street.pay(fails)
    assert code_of(refused) == "over_limit"
    assert refused.refusal is not None
    assert refused.refusal["facts"]["limit"] == f"own_{limit.measure}_per_{limit.period}"


async def test_a_hold_counts_until_it_is_given_back(street: Street) -> None:
    await newcomer(street, 1)
    held = await street.hold(1_000_00, payer="carol")
    assert code_of(await street.pay(1, payer="carol")) == "over_limit"
    await street.capture(held, 400_00)
    assert code_of(await street.pay(600_01, payer="carol")) == "over_limit"
    assert code_of(await street.pay(600_00, payer="carol")) == "ok"


async def test_yesterdays_hold_does_not_enlarge_todays_limit(street: Street) -> None:
    await newcomer(street, 3)
    await street.town.write(set_limits, street.wallets["carol"], [OwnLimit("amount", "day", 10_00)])
    held = await street.hold(10_00, hours=24, payer="carol")
    street.town.later(hours=24)
    assert await street.town.write(lapse, [held.id]) == 1
    assert code_of(await street.pay(10_01, payer="carol")) == "over_limit"
    assert code_of(await street.pay(10_00, payer="carol")) == "ok"


async def test_a_shop_giving_money_back_has_no_limit(street: Street) -> None:
    paid = await street.pay(1_000_00)
    assert isinstance(await street.refund(paid), Payment)


def test_figures_are_dated_and_sourced() -> None:
    """Legal figures are data with a day and a source; before its day a rule does not hold."""
    assert all("PBoC" in rule.source and rule.most > 0 for rule in RULES)
    assert not list(rules_for(["class_1", "code_d"], "CNY", date(2016, 6, 30)))
    assert [r.scope for r in rules_for(["class_1", "code_d"], "CNY", date(2016, 7, 1))] == ["class_1"]
    assert len(list(rules_for(["class_1", "code_d"], "CNY", date(2018, 4, 1)))) == 2
    assert not list(rules_for(["class_1"], "USD", date(2026, 1, 1)))


def test_the_refusal_says_which_limit_and_how_much_is_used() -> None:
    usage = Usage(uuid4(), "balance", "CNY", date(2026, 11, 2), life_amount=999_00)
    with pytest.raises(OverLimit) as refused:
        check(cny(2_00), 1, None, (), usage, None)
    assert refused.value.facts == {
        "limit": "class_1_amount_per_life",
        "most": 1_000_00,
        "used": 999_00,
        "asked": 2_00,
    }
