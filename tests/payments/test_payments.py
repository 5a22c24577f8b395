"""The life of a payment: submit, capture, cancel, lapse, refund."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from feiqian.instruments.wallet import HOUSE, open_wallets
from feiqian.kernel.errors import Broken
from feiqian.kernel.ids import new_id
from feiqian.kernel.money import Money
from feiqian.merchants.contract import agree
from feiqian.payments import (
    Capture,
    Leg,
    Order,
    Payment,
    Refund,
    capture,
    lapse,
    lapse_overdue,
    refund,
    submit,
)
from feiqian.payments.find import steps_of
from feiqian.pricing import Terms
from feiqian.scenes.deposit import Deposit, deposit
from tests.street import Street, cny, code_of

pytestmark = pytest.mark.anyio


async def test_a_price_moves_to_the_shop_and_the_fee_to_the_house(street: Street) -> None:
    paid = await street.pay(10_00)
    assert paid.state == "captured"
    assert await street.movements(paid) == ["alice > shop 10.00 CNY", "shop > fees 0.06 CNY"]
    assert await street.balance("alice") == (9990_00, 0)
    assert await street.balance("shop") == (9_94, 0)
    assert await street.town.events(paid.id) == ["payment.captured"]


async def test_the_same_order_again_is_the_same_payment_and_another_one_is_refused(street: Street) -> None:
    """C7: kind and subject stop a second payment whatever became of the request's key."""
    subject = new_id()
    first = await street.pay(500, subject=subject)
    again, other = await street.submit(
        [street.order(500, subject=subject), street.order(501, subject=subject)]
    )
    assert isinstance(again, Payment)
    assert again.id == first.id
    assert code_of(other) == "subject_reused"
    assert await street.balance("alice") == (9995_00, 0)


async def test_the_same_order_twice_in_one_batch_is_one_payment(street: Street) -> None:
    order = street.order(500)
    one, two = await street.submit([order, order])
    assert isinstance(one, Payment)
    assert isinstance(two, Payment)
    assert one.id == two.id
    assert await street.balance("shop") == (4_97, 0)


async def test_a_refusal_leaves_a_note_and_nothing_else_and_does_not_use_the_subject_up(
    street: Street,
) -> None:
    """I5: a refused order moved nothing; the same subject may be ordered again."""
    subject = new_id()
    refused = await street.pay(100_00, payer="bob", subject=subject)
    assert code_of(refused) == "insufficient_funds"
    assert await street.movements(refused) == []
    assert [s.step for s in await street.town.read(steps_of, refused.id)] == ["refused"]
    await street.town.fund(street.wallets["bob"], 100_00)
    assert (await street.pay(100_00, payer="bob", subject=subject)).state == "captured"


async def test_a_neighbour_in_the_batch_pays_although_another_is_refused(street: Street) -> None:
    answers = await street.submit(
        [street.order(1), street.order(1, payer="bob"), street.order(2), street.order(99_999_99)]
    )
    assert [code_of(each) for each in answers] == ["ok", "insufficient_funds", "ok", "insufficient_funds"]


async def test_money_that_comes_in_within_a_batch_can_be_spent_later_in_it(street: Street) -> None:
    gift = Order(
        "gift", new_id(), (Leg(street.wallets["alice"], street.wallets["bob"], cny(70), "transfer"),)
    )
    answers = await street.submit([street.order(70, payer="bob"), gift, street.order(70, payer="bob")])
    assert [code_of(each) for each in answers] == ["insufficient_funds", "ok", "ok"]


@pytest.mark.parametrize("wrong", ["same", "unknown", "currency", "frozen", "closed"])
async def test_what_cannot_be_paid_is_refused_before_anything_is_held(street: Street, wrong: str) -> None:
    """M7: different currency, closed, frozen, unknown or the same wallet."""
    payer, payee, money = street.wallets["alice"], street.wallets["shop"], cny(100)
    if wrong == "same":
        payee = payer
    elif wrong == "unknown":
        payee = new_id()
    elif wrong == "currency":
        money = Money(100, "USD")
    else:
        await street.town.sql("update wallet set state = $2 where id = $1", payer, wrong)
    order = Order("shop", new_id(), (Leg(payer, payee, money, "price"),), capture="later", gates=("limits",))
    (answer,) = await street.submit([order])
    expected = {
        "same": "same_wallet",
        "unknown": "wallet_not_found",
        "currency": "currency_mismatch",
        "frozen": "wallet_frozen",
        "closed": "wallet_closed",
    }
    assert code_of(answer) == expected[wrong]
    assert await street.balance("alice") == (10_000_00, 0)


async def test_an_order_that_names_a_gate_nobody_keeps_does_not_pass(street: Street) -> None:
    with pytest.raises(Broken):
        await street.submit([street.order(100), Order("x", new_id(), street.order(1).legs, gates=("risk",))])
    assert await street.balance("alice") == (10_000_00, 0)


async def test_capturing_less_gives_the_rest_of_the_hold_back(street: Street) -> None:
    held = await street.hold(40_00)
    assert await street.balance("alice") == (10_000_00, 40_00)
    done = await street.capture(held, 10_00)
    assert (done.state, done.captured, done.held) == ("captured", 10_00, 0)
    assert await street.balance("alice") == (9990_00, 0)
    assert await street.movements(held) == [
        "alice > shop 40.00 CNY held",
        "alice > shop 10.00 CNY posted",
        "shop > fees 0.06 CNY",
    ]


async def test_many_captures_cost_the_fee_of_one(street: Street) -> None:
    """M5: fees of parts add up to the fee of the whole."""
    held = await street.hold(10_00)
    for part in (3_33, 3_33, 3_33):
        answer = await street.capture(held, part, final=False)
        assert answer.state == "authorised"
    last = await street.capture(held, 1)
    assert (last.state, last.captured, last.fee) == ("captured", 10_00, 6)
    assert await street.balance("fees") == (6, 0)


async def test_captures_never_take_more_than_is_held(street: Street) -> None:
    """C11: double capture, capture over the hold, the sum of partial captures."""
    held = await street.hold(40_00)
    assert code_of(await street.capture(held, 40_01)) == "over_capture"
    assert code_of(await street.capture(held, 30_00, final=False)) == "ok"
    assert code_of(await street.capture(held, 10_01)) == "over_capture"
    assert code_of(await street.capture(held, 10_00)) == "ok"
    assert code_of(await street.capture(held, 1)) == "wrong_state"
    assert await street.balance("alice") == (9960_00, 0)


async def test_cancelling_gives_back_what_is_still_held(street: Street) -> None:
    """C11: capture against cancel, in either order."""
    whole, part = await street.hold(10_00), await street.hold(20_00)
    await street.capture(part, 5_00, final=False)
    assert (await street.cancel(whole)).state == "voided"
    assert (await street.cancel(part)).state == "captured"
    assert code_of(await street.capture(whole)) == "wrong_state"
    assert code_of(await street.cancel(part)) == "wrong_state"
    assert await street.balance("alice") == (9995_00, 0)


@pytest.mark.parametrize("rounds", [20])
async def test_capture_and_cancel_at_once_have_one_winner(street: Street, rounds: int) -> None:
    """C11: released at one barrier, exactly one of capture and cancel takes effect."""
    for _ in range(rounds):
        held = await street.hold(1_00)
        taken, given = await asyncio.gather(street.capture(held), street.cancel(held))
        assert sorted((code_of(taken), code_of(given))) == ["ok", "wrong_state"]


async def test_a_hold_that_waited_too_long_is_released_or_taken_as_the_order_said(street: Street) -> None:
    """C11: capture after expiry."""
    let_go = await street.hold(10_00, hours=2)
    take = await street.hold(20_00, hours=2, lapse="capture")
    street.town.later(hours=2)
    assert code_of(await street.capture(let_go)) == "hold_expired"
    assert await street.balance("alice") == (10_000_00, 20_00)  # reads treat an overdue hold as released
    assert await street.town.write(lapse, [let_go.id, take.id]) == 2
    assert await street.town.write(lapse, [let_go.id, take.id]) == 0  # the timer may ring twice
    assert await street.balance("alice") == (9980_00, 0)
    assert (await street.town.events(let_go.id))[-1] == "payment.lapsed"
    assert (await street.town.events(take.id))[-1] == "payment.captured"


async def test_what_was_captured_before_a_lapse_stays_captured(street: Street) -> None:
    held = await street.hold(10_00, hours=2)
    await street.capture(held, 3_00, final=False)
    street.town.later(hours=3)
    assert await street.town.write(lapse, [held.id]) == 1
    assert await street.balance("alice") == (9997_00, 0)
    assert (await street.refund(held, 3_00)).state == "captured"


async def test_refunds_return_to_the_payer_with_the_fee_and_never_more_than_was_taken(street: Street) -> None:
    """C12: refunds in part and in whole, over what was taken, and of a refund."""
    paid = await street.pay(10_00)
    back = await street.refund(paid, 4_00)
    assert await street.movements(back) == ["fees > shop 0.02 CNY", "shop > alice 4.00 CNY"]
    assert code_of(await street.refund(paid, 6_01)) == "over_refund"
    assert code_of(await street.refund(back)) == "not_refundable"
    rest = await street.refund(paid)
    assert rest.amount == 6_00
    assert code_of(await street.refund(paid, 1)) == "over_refund"
    assert await street.balance("alice") == (10_000_00, 0)
    assert await street.balance("fees") == (0, 0)
    assert await street.balance("shop") == (0, 0)


async def test_parallel_refunds_never_add_up_to_more_than_was_taken(street: Street) -> None:
    """C12: 20 refunds of a third each; three get through, the odd cent stays."""
    paid = await street.pay(10_00)
    answers = await asyncio.gather(*(street.refund(paid, 3_33) for _ in range(20)))
    assert sorted(map(code_of, answers)) == ["ok"] * 3 + ["over_refund"] * 17
    one_batch = await street.town.write(refund, [Refund(new_id(), paid.id, 1) for _ in range(3)])
    assert [code_of(each) for each in one_batch] == ["ok", "over_refund", "over_refund"]


async def test_the_same_refund_again_is_the_same_refund(street: Street) -> None:
    paid, id = await street.pay(10_00), new_id()
    first, again = await street.refund(paid, 1_00, id), await street.refund(paid, 1_00, id)
    assert first.id == again.id
    assert code_of(await street.refund(paid, 2_00, id)) == "refund_reused"
    assert await street.balance("alice") == (9991_00, 0)


async def test_a_shop_that_has_spent_its_money_cannot_refund_and_the_refusal_stays(street: Street) -> None:
    """C5: an id refused for the state of the books stays refused."""
    paid, id = await street.pay(10_00), new_id()
    await street.town.fund(street.wallets["shop"], -5_00)
    assert code_of(await street.refund(paid, 10_00, id)) == "insufficient_funds"
    await street.town.fund(street.wallets["shop"], 5_00)
    assert code_of(await street.refund(paid, 10_00, id)) == "insufficient_funds"
    assert code_of(await street.refund(paid, 10_00)) == "ok"


async def test_a_held_payment_cannot_be_refunded_and_a_frozen_payer_still_gets_money_back(
    street: Street,
) -> None:
    held, paid = await street.hold(5_00), await street.pay(6_00)
    assert code_of(await street.refund(held)) == "not_refundable"
    await street.town.sql("update wallet set state = 'frozen' where id = $1", street.wallets["alice"])
    assert code_of(await street.refund(paid)) == "ok"


async def test_many_spend_one_balance_and_exactly_as_many_succeed_as_it_covers(street: Street) -> None:
    """C8: balance 100, 64 clients times 3."""
    await street.town.fund(street.wallets["bob"], 100)
    answers = await asyncio.gather(*(street.pay(3, payer="bob") for _ in range(64)))
    assert sorted(map(code_of, answers)) == ["insufficient_funds"] * 31 + ["ok"] * 33
    assert await street.balance("bob") == (1, 0)


async def test_crossing_payments_neither_wait_for_each_other_nor_get_lost(street: Street) -> None:
    """C10: Alice to Bob and Bob to Alice, 32 at once."""
    await street.town.fund(street.wallets["bob"], 10_000_00)

    async def send(payer: str, payee: str) -> str:
        legs = (Leg(street.wallets[payer], street.wallets[payee], cny(1), "transfer"),)
        return code_of((await street.submit([Order("transfer", new_id(), legs)]))[0])

    pairs = [("alice", "bob"), ("bob", "alice")] * 16
    answers = await asyncio.wait_for(asyncio.gather(*(send(*pair) for pair in pairs)), 20)
    assert set(answers) == {"ok"}
    assert await street.balance("alice") == await street.balance("bob") == (10_000_00, 0)


async def test_a_day_of_a_thousand_payments_in_one_turn_uses_the_same_statements(street: Street) -> None:
    """Batch first: one turn, any number of orders."""
    answers = await street.submit([street.order(1 + n % 7) for n in range(1000)])
    assert {code_of(each) for each in answers} == {"ok"}
    assert (await street.town.sql("select count(*) from block"))[0][0] <= 4


async def test_the_database_itself_refuses_more_refunded_than_captured(street: Street) -> None:
    """I4: the second line of defence."""
    paid = await street.pay(10_00)
    with pytest.raises(Exception, match="check"):
        await street.town.sql("update payment set refunded = captured + 1 where id = $1", paid.id)
    with pytest.raises(Exception, match="append-only"):
        await street.town.sql("update payment_step set state = 'refunded' where payment = $1", paid.id)


async def test_a_turn_that_fails_at_the_end_leaves_nothing(street: Street) -> None:
    async def fail(turn):  # type: ignore[no-untyped-def]
        await submit(turn, [street.order(10_00)])
        await capture(turn, [Capture(new_id())])
        raise ValueError("the caller's own part failed")

    with pytest.raises(ValueError, match="own part"):
        await street.town.book.write(fail)
    assert await street.balance("alice") == (10_000_00, 0)
    assert await street.town.sql("select * from payment") == []


async def test_a_hold_is_never_longer_than_thirty_days(street: Street) -> None:
    held = await street.hold(1_00, hours=24 * 365)
    assert held.hold_until == street.town.clock.now() + timedelta(days=30)


async def test_nothing_that_asks_about_limits_is_paid_by_the_house_or_a_merchant(street: Street) -> None:
    """M7: the custody account is no purse; its id is the same in every book and known to all."""
    (custody,) = await street.town.write(open_wallets, [(HOUSE, "custody", "CNY")])
    street.wallets["custody"] = custody
    for payer in ("custody", "fees", "shop"):
        legs = (Leg(street.wallets[payer], street.wallets["bob"], cny(1), "price"),)
        (answer,) = await street.submit([Order("shop", new_id(), legs, gates=("limits",))])
        assert code_of(answer) == "wallet_not_found"


async def test_an_order_with_two_payers_is_not_carried_out(street: Street) -> None:
    """Captures and refunds know one payer; money must not get stuck on the way to a third."""
    legs = (
        Leg(street.wallets["alice"], street.wallets["bob"], cny(100), "transfer"),
        Leg(street.wallets["bob"], street.wallets["shop"], cny(30), "price"),
    )
    with pytest.raises(Broken):
        await street.submit([Order("relay", new_id(), legs)])


async def test_terms_agreed_later_the_same_day_do_not_touch_what_was_charged(street: Street) -> None:
    """I4: captures and refunds go by the contract that the payment was made under."""
    held, paid = await street.hold(100_00), await street.pay(100_00)
    await street.capture(held, 50_00, final=False)
    today = street.town.book.calendar.local_day(street.town.clock.now())
    await street.town.write(agree, street.merchant, "CNY", today, None, Terms(rate_bps=0))
    done = await street.capture(held)
    assert (done.state, done.fee) == ("captured", 60)
    back = await street.refund(paid, 1)
    assert await street.movements(back) == ["shop > alice 0.01 CNY"]  # the fee on 99.99 is still 0.60
    assert (await street.pay(100_00)).fee == 0


async def test_a_promotion_that_ends_gives_way_to_the_terms_before_it(street: Street) -> None:
    today = street.town.book.calendar.local_day(street.town.clock.now())
    tomorrow, after = today + timedelta(days=1), today + timedelta(days=2)
    await street.town.write(agree, street.merchant, "CNY", tomorrow, after, Terms(rate_bps=10))
    fees = []
    for _ in range(4):
        fees.append((await street.pay(100_00)).fee)
        street.town.later(days=1)
    assert fees == [60, 10, 60, 60]


async def test_a_tip_bears_no_fee_also_when_captured(street: Street) -> None:
    alice, shop = street.wallets["alice"], street.wallets["shop"]
    legs = (Leg(alice, shop, cny(50_00), "transfer"), Leg(alice, shop, cny(100_00), "price"))
    order = Order("shop", new_id(), legs, capture="later", hold_for=timedelta(hours=1), gates=("limits",))
    (held,) = await street.submit([order])
    assert isinstance(held, Payment)
    assert (await street.capture(held, 50_00)).fee == 0  # legs are filled in their order


@pytest.mark.parametrize("state", ["suspended", "closed"])
async def test_who_is_not_to_be_paid_is_not_paid_by_a_capture_or_a_lapse_either(
    street: Street, state: str
) -> None:
    held = await street.hold(10_00, hours=1, lapse="capture")
    await street.town.sql("update wallet set state = $2 where id = $1", street.wallets["shop"], state)
    assert code_of(await street.capture(held)) == f"wallet_{state}"
    street.town.later(hours=1)
    assert await street.town.write(lapse, [held.id]) == 1
    assert await street.balance("alice") == (10_000_00, 0)


async def test_a_suspended_shop_gives_no_refund(street: Street) -> None:
    paid = await street.pay(10_00)
    await street.town.sql("update wallet set state = 'suspended' where id = $1", street.wallets["shop"])
    assert code_of(await street.refund(paid)) == "wallet_suspended"


async def test_only_what_a_merchant_took_is_refunded(street: Street) -> None:
    """C12: neither a deposit nor a gift can be taken back by a refund."""
    gift = Order(
        "gift", new_id(), (Leg(street.wallets["alice"], street.wallets["bob"], cny(70), "transfer"),)
    )
    (given,) = await street.submit([gift])
    asked = Deposit(street.wallets["bob"], cny(50_00), "CB-9")
    (booked,) = await street.town.write(deposit, [asked])
    assert code_of(await street.refund(given)) == "not_refundable"
    assert code_of(await street.refund(booked)) == "not_refundable"
    assert await street.balance("bob") == (50_70, 0)


async def test_answers_of_one_batch_say_what_each_capture_did(street: Street) -> None:
    held = await street.hold(30_00)
    asked = [Capture(held.id, 10_00, False), Capture(held.id, 20_00, True)]
    first, last = await street.town.write(capture, asked)
    assert (first.state, first.captured, last.state, last.captured) == (
        "authorised",
        10_00,
        "captured",
        30_00,
    )
    rows = await street.town.sql(
        "select data -> 'payment' ->> 'state' as state from event where subject = $1 order by seq", held.id
    )
    assert [row["state"] for row in rows] == ["authorised", "authorised", "captured"]


async def test_a_capture_of_nothing_is_refused(street: Street) -> None:
    held = await street.hold(30_00)
    for amount in (0, -1):
        assert code_of(await street.capture(held, amount)) == "over_capture"


async def test_a_shop_hears_of_its_refunds(street: Street) -> None:
    paid = await street.pay(10_00)
    await street.refund(paid)
    rows = await street.town.sql("select type from event where owner = $1 order by seq", street.merchant)
    assert [r["type"] for r in rows if r["type"].startswith(("payment", "refund"))] == [
        "payment.captured",
        "refund.succeeded",
        "payment.refunded",
    ]


async def test_a_hold_whose_timer_failed_is_ended_all_the_same(street: Street) -> None:
    held = await street.hold(10_00, hours=1, lapse="capture")
    await street.town.sql("delete from job")
    street.town.later(hours=2)
    assert await street.town.write(lapse_overdue) == 1
    assert await street.balance("alice") == (9990_00, 0)
    steps = await street.town.read(steps_of, held.id)
    assert [step.step for step in steps] == ["authorised", "lapsed_captured"]


async def test_a_hold_swept_by_a_clock_that_was_ahead_has_expired(street: Street) -> None:
    """F8: the clock goes forward, a sweep runs, the clock comes back."""
    held = await street.hold(10_00, hours=1)
    street.town.later(hours=2)
    await street.pay(1)
    street.town.later(hours=-2)
    assert code_of(await street.capture(held)) == "hold_expired"
    street.town.later(hours=2)
    assert await street.town.write(lapse, [held.id]) == 1
