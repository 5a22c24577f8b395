"""The plan is the same for the same seed, and the model sees what is not as acknowledged."""

from __future__ import annotations

from collections import Counter

import pytest

from feiqian.simulator.model import CUSTODY, FEES, Model
from feiqian.simulator.plan import LIFE_1, RHYTHM, make_plan
from feiqian.simulator.town import COFFEE, HOTEL, Shop

ANN, BOB, CAFE, INN = ("person", 0), ("person", 1), ("shop", 0), ("shop", 1)
CAFE_SHOP, INN_SHOP = Shop(0, "城墙咖啡", COFFEE), Shop(1, "城墙根酒店", HOTEL)


def test_the_same_seed_gives_the_same_day():
    assert make_plan(4411, 40, 12, 400) == make_plan(4411, 40, 12, 400)
    assert make_plan(4411, 40, 12, 400) != make_plan(4412, 40, 12, 400)


@pytest.mark.parametrize("seed", range(5))
def test_a_plan_has_everything_a_day_needs(seed):
    plan = make_plan(seed)
    acts = list(plan.acts())
    taken = [
        act for act in acts if not act.expect and act.kind in ("scan", "dynamic", "stand", "stand_fixed")
    ]
    assert len(taken) >= 5_000
    assert len({act.n for act in acts}) == len(acts)
    assert len({act.expect for act in acts if act.expect}) >= 18, "refusals of every kind"
    assert {act.upset.split()[0] for act in acts if act.upset} == {"lost", "repeat", "number"}
    assert all(3 <= int(act.upset.split()[1]) <= 8 for act in acts if " " in act.upset)
    by_hour = {hour.hour: len(hour.acts) for hour in plan.hours}
    assert 0.2 < (by_hour[19] + by_hour[20]) / sum(by_hour.values()) < 0.3
    assert [hour.hour for hour in plan.hours] == list(RHYTHM)


def test_nobody_is_planned_to_give_what_they_have_not():
    plan = make_plan(3, 30, 10, 600)
    given: Counter[int] = Counter()
    for act in plan.acts():
        if not act.expect and act.kind in ("scan", "dynamic", "stand", "stand_fixed", "transfer", "hold"):
            given[act.person] += act.amount
    for person in plan.town.people:
        if person.account_class == 1:
            assert given[person.n] <= LIFE_1


def test_a_refund_of_something_was_planned_for_it_first():
    acts = {act.n: act for act in make_plan(9).acts()}
    for act in acts.values():
        if act.kind in ("refund", "refund_rest", "capture", "cancel", "pay_late"):
            assert acts[act.other].n < act.n


@pytest.fixture
def model() -> Model:
    """李明 has 100 yuan, bought a coffee for 30 and stays at the inn for up to 50."""
    model = Model()
    model.pay("pay_in", 1, "deposit", CUSTODY, ANN, 10_000)
    model.pay("pay_a", 2, "shop", ANN, CAFE, 3_000, CAFE_SHOP)
    model.hold("pay_h", 3, ANN, INN, 5_000, INN_SHOP)
    return model


def test_what_was_acknowledged_is_what_is_expected(model):
    model.capture("pay_h", 2_000, final=False)
    model.capture("pay_h", 1_000)
    model.refund("rfd_1", "pay_a", 1_000)
    purses = {ANN: 10_000 - 3_000 - 3_000 + 1_000, CAFE: 2_000 - 12, INN: 3_000 - 18, FEES: 30}
    model.compare_purses(purses, "here")
    model.compare_payments({"pay_in": (10_000, 0, 0), "pay_a": (3_000, 1_000, 0), "pay_h": (3_000, 0, 0)})
    model.compare_refunds({"rfd_1": 1_000})
    assert model.faults == []


@pytest.mark.parametrize(
    ("purses", "payments", "refunds"),
    [
        ({ANN: 7_001}, {}, {}),
        ({}, {"pay_a": (3_000, 0, 0)}, {}),  # the others are missing
        ({}, {"pay_in": (10_000, 0, 0), "pay_a": (3_000, 0, 0), "pay_h": (0, 0, 4_999)}, {}),
        ({}, {"pay_in": (10_000, 0, 0), "pay_a": (3_000, 1, 0), "pay_h": (0, 0, 5_000)}, {}),
        (
            {},
            {"pay_in": (10_000, 0, 0), "pay_a": (3_000, 0, 0), "pay_h": (0, 0, 5_000), "pay_x": (1, 0, 0)},
            {},
        ),
        ({}, {}, {"rfd_9": 5}),
    ],
)
def test_what_differs_is_a_fault(model, purses, payments, refunds):
    if purses:
        model.compare_purses(purses, "here")
    if payments:
        model.compare_payments(payments)
    if refunds:
        model.compare_refunds(refunds)
    assert model.faults


def test_one_payment_for_two_acts_is_a_fault(model):
    model.pay("pay_a", 4, "shop", BOB, CAFE, 3_000, CAFE_SHOP)
    assert "one payment for act 2 and act 4" in model.faults[0]


def test_a_refund_told_twice_is_a_fault(model):
    model.refund("rfd_1", "pay_a", 1_000)
    model.refund("rfd_1", "pay_a", 1_000)
    assert model.faults
    assert model.purses[ANN] == 8_000


def test_more_captured_or_refunded_than_there_is_is_a_fault(model):
    model.capture("pay_h", 5_001)
    model.refund("rfd_1", "pay_a", 3_001)
    assert len(model.faults) == 2
