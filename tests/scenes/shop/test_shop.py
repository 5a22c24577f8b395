"""Paying in a shop: the shop's code, the customer's code, and everything that can be wrong with either."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from feiqian.instruments.device import suspend
from feiqian.instruments.wallet import house_wallet
from feiqian.kernel.ids import new_id
from feiqian.kernel.money import Money
from feiqian.merchants import NewMerchant, NewStore
from feiqian.merchants import register as register_merchants
from feiqian.merchants.stores import add_stores, close_store
from feiqian.payments import Payment
from feiqian.scenes.shop import emv_consumer, emv_merchant, shop_code
from feiqian.scenes.shop.charge import Charge, charge
from feiqian.scenes.shop.counter import close_purchase, find_purchases, read_shops, ring_up
from feiqian.scenes.shop.pay import Pay, pay, read_price
from feiqian.scenes.shop.purchase import Purchase
from feiqian.scenes.shop.stand import put_up, take_down
from tests.street import Street, cny, code_of

pytestmark = pytest.mark.anyio

GUID = "org.feiqian"


async def text_of(street: Street, purchase: Purchase) -> str:
    """The payload in the QR symbol that the shop shows."""
    shops = await street.town.read(read_shops, [purchase.store])
    assert purchase.code
    return shop_code.payload(shops[purchase.store], purchase.code, cny(purchase.amount), guid=GUID)


async def scan(street: Street, text: str, payer: str = "alice", **more: Any) -> Any:
    return (await street.town.write(pay, [Pay(street.wallets[payer], text, **more)]))[0]


async def test_a_dynamic_code_is_read_priced_and_paid_once(street: Street) -> None:
    purchase = await street.ring_up(48_60)
    text = await text_of(street, purchase)
    price = await street.town.write(read_price, text)
    assert (price.amount, price.shop.name) == (cny(48_60), "茶馆")
    bought, paid = await scan(street, text)
    assert (bought.state, paid.state, paid.refs["code_class"]) == ("paid", "captured", "c")
    assert code_of(await scan(street, text, "bob")) == "code_already_paid"
    assert code_of(await scan(street, text)) == "code_already_paid"
    assert await street.balance("alice") == (9951_40, 0)


async def test_two_payers_at_one_code_in_one_batch(street: Street) -> None:
    """The second hears that it is paid; a first without money leaves the code to the second."""
    text = await text_of(street, await street.ring_up(5_00))
    asked = [Pay(street.wallets[name], text) for name in ("bob", "alice", "alice")]
    answers = await street.town.write(pay, asked)
    assert [code_of(each) for each in answers] == ["insufficient_funds", "ok", "code_already_paid"]
    assert await street.balance("alice") == (9995_00, 0)


async def test_each_dead_code_has_its_own_error(street: Street) -> None:
    """Cancelled, expired, wrong shop, altered, unknown, malformed: each says which."""
    closed, late, good = [await street.ring_up(5_00, open_seconds=s) for s in (600, 60, 600)]
    await street.town.write(close_purchase, closed.id)
    street.town.later(seconds=60)
    good_text = await text_of(street, good)

    def with_part(tag: str, value: str) -> str:
        code = emv_merchant.read(good_text)
        parts = {each.tag: each.value for each in code.objects[2].parts()} | {tag: value}
        objects = list(code.objects)
        objects[2] = emv_merchant.template(objects[2].tag, parts)
        return emv_merchant.write(emv_merchant.MerchantCode(tuple(objects)))

    def with_amount(value: str) -> str:
        code = emv_merchant.read(good_text)
        objects = tuple(
            emv_merchant.DataObject("54", value) if each.tag == "54" else each for each in code.objects
        )
        return emv_merchant.write(emv_merchant.MerchantCode(objects))

    cases = {
        await text_of(street, closed): "code_cancelled",
        await text_of(street, late): "code_expired",
        with_part("02", new_id().hex): "code_wrong_shop",
        with_part("01", "d" + "0" * 24): "code_unknown",
        with_amount("4.00"): "code_altered",
        good_text[:-1] + ("0" if good_text[-1] != "0" else "1"): "code_malformed",
        "hello": "code_malformed",
    }
    for text, expected in cases.items():
        assert code_of(await scan(street, text)) == expected
    assert await street.balance("alice") == (10_000_00, 0)
    assert code_of(await scan(street, good_text)) == "ok"


async def test_a_stand_takes_any_amount_or_its_own_and_is_class_d(street: Street) -> None:
    shops = await street.town.read(read_shops, [street.store])
    free = await street.town.write(put_up, street.store, "CNY")
    fixed = await street.town.write(put_up, street.store, "CNY", cny(3_00))
    free_text = shop_code.payload(shops[street.store], free.token, None, guid=GUID, currency_code="CNY")
    fixed_text = shop_code.payload(shops[street.store], fixed.token, cny(3_00), guid=GUID)
    assert code_of(await scan(street, free_text)) == "amount_needed"
    assert code_of(await scan(street, fixed_text, amount=cny(2_99))) == "amount_fixed"
    assert code_of(await scan(street, fixed_text)) == "ok"
    _, paid = await scan(street, free_text, amount=cny(497_00), check="signed")
    assert paid.refs["code_class"] == "d"
    assert code_of(await scan(street, free_text, amount=cny(1))) == "over_limit"  # 500.00 a day
    await street.town.write(take_down, free.id)
    assert code_of(await scan(street, free_text, amount=cny(1))) == "code_cancelled"


@pytest.mark.parametrize("form", ["digits", "emv"])
async def test_the_cashier_scans_the_customers_code(street: Street, form: str) -> None:
    code = street.code()
    if form == "emv":
        code = emv_consumer.payment_code_form(code, b"\xf0feiqian", "FEIQIAN")
    purchase, paid = await street.charge(18_00, code)
    assert (purchase.state, paid.state, paid.payer) == ("paid", "captured", street.wallets["alice"])


async def test_a_code_pays_once_even_under_parallel_scans_and_in_one_batch(street: Street) -> None:
    """Single use: 20 tills scan the same code, one is paid."""
    code = street.code()
    answers = await asyncio.gather(*(street.charge(1_00, code) for _ in range(20)))
    assert sorted(map(code_of, answers)) == ["code_used"] * 19 + ["ok"]
    fresh = street.code(counter=1)
    batch = await street.town.write(charge, [Charge(street.purchase(1_00), fresh) for _ in range(3)])
    assert [code_of(each) for each in batch] == ["ok", "code_used", "code_used"]
    street.town.later(seconds=10)
    assert code_of(await street.charge(1_00, code)) == "code_used"  # remembered in the database
    assert await street.balance("alice") == (9998_00, 0)


async def test_a_cashier_whose_answer_got_lost_asks_again_and_learns_what_happened(street: Street) -> None:
    code = street.code()
    first = await street.charge(18_00, code, number="A1")
    again = await street.charge(18_00, code, number="A1")
    other_code = await street.charge(18_00, street.code(counter=1), number="A1")
    assert first[1].id == again[1].id == other_code[1].id
    assert code_of(await street.charge(18_01, code, number="A1")) == "order_no_reused"
    assert code_of(await street.charge(1_00, street.code(counter=1))) == "ok"  # that code was not spent
    assert await street.balance("alice") == (9981_00, 0)


async def test_a_refused_scan_stays_refused_and_a_fresh_code_pays_the_same_purchase(street: Street) -> None:
    """C5: the same code for the same purchase hears the first answer again."""
    phone = await street.device("bob")
    code = street.code(phone)
    assert code_of(await street.charge(5_00, code, number="B1")) == "insufficient_funds"
    await street.town.fund(street.wallets["bob"], 5_00)
    assert code_of(await street.charge(5_00, code, number="B1")) == "insufficient_funds"
    assert code_of(await street.charge(5_00, street.code(phone, 1), number="B1")) == "ok"


async def test_each_wrong_code_has_its_own_error(street: Street) -> None:
    """Expired, not ours, unknown device, wrong number, malformed; none reveals whose it is."""
    old = street.code()
    street.town.later(seconds=120)
    good = street.code()
    wrong = good[:-1] + str((int(good[-1]) + 1) % 10)
    for code, expected in [
        (old, "code_expired"),
        ("134567890123456789", "code_not_ours"),  # a WeChat form
        (good[:2] + "000000000" + good[11:], "code_wrong"),
        (wrong, "code_wrong"),
        ("8612", "code_malformed"),
        ("", "code_malformed"),
    ]:
        answer = await street.charge(1_00, code)
        assert code_of(answer) == expected, code
        assert "alice" not in str(answer).lower()


async def test_guessing_locks_the_device_for_a_while(street: Street) -> None:
    good = street.code()
    for n in range(5):
        wrong = good[:-1] + str((int(good[-1]) + 1 + n) % 10)
        assert code_of(await street.charge(1_00, wrong)) == "code_wrong"
    assert code_of(await street.charge(1_00, good)) == "device_locked"
    street.town.later(minutes=10)
    assert code_of(await street.charge(1_00)) == "ok"


async def test_a_device_that_is_switched_off_makes_no_payments(street: Street) -> None:
    """Z6: it bites on the next call."""
    await street.town.write(suspend, street.phone.device.id)
    assert code_of(await street.charge(1_00)) == "code_wrong"


async def test_the_device_brings_the_class_of_its_codes(street: Street) -> None:
    phone = await street.device("alice", "c")
    assert code_of(await street.charge(1_000_00, street.code(phone))) == "ok"
    assert code_of(await street.charge(1, street.code(phone, 1))) == "over_limit"
    assert code_of(await street.charge(1, street.code())) == "ok"


async def test_a_till_of_another_shop_and_a_closed_store_take_nothing(street: Street) -> None:
    (other,) = await street.town.write(register_merchants, [NewMerchant("Other", "5411", "Xi'an")])
    (branch,) = await street.town.write(add_stores, [NewStore(other.id, "branch")])
    wrong_till = street.purchase(1_00, terminal=street.terminal)
    wrong_till = type(wrong_till)(
        store=branch.id, merchant_order_no="X", amount=cny(1_00), terminal=street.terminal
    )
    not_mine = type(wrong_till)(
        store=branch.id, merchant_order_no="Y", amount=cny(1_00), merchant=street.merchant
    )
    unknown = type(wrong_till)(store=new_id(), merchant_order_no="Z", amount=cny(1_00))
    answers = await street.town.write(ring_up, [wrong_till, not_mine, unknown])
    assert [code_of(a) for a in answers] == ["till_wrong_shop", "store_not_found", "store_not_found"]
    await street.town.write(close_store, street.store)
    assert code_of(await street.charge(1_00)) == "store_closed"


async def test_an_order_number_is_one_purchase_also_without_a_payment_code(street: Street) -> None:
    one, two = await street.ring_up(5_00, "R1"), await street.ring_up(5_00, "R1")
    assert one.id == two.id
    (other,) = await street.town.write(ring_up, [street.purchase(5_01, "R1")])
    assert code_of(other) == "order_no_reused"


async def test_a_rung_up_purchase_may_be_paid_by_the_customers_code_instead(street: Street) -> None:
    purchase = await street.ring_up(7_00, "R2")
    bought, paid = await street.charge(7_00, number="R2")
    assert (bought.id, paid.state) == (purchase.id, "captured")
    assert code_of(await scan(street, await text_of(street, purchase))) == "code_already_paid"


async def test_a_closed_purchase_is_not_charged_and_a_paid_one_not_closed(street: Street) -> None:
    purchase = await street.ring_up(7_00, "R3")
    await street.town.write(close_purchase, purchase.id)
    assert code_of(await street.charge(7_00, number="R3")) == "code_cancelled"
    _, paid = await street.charge(8_00, number="R4")
    with pytest.raises(Exception, match="paid already"):
        await street.town.write(close_purchase, paid.subject)


async def test_a_deposit_is_held_when_rung_up_so(street: Street) -> None:
    asked = street.purchase(300_00, "H1", capture="later", hold_seconds=3600)
    (answer,) = await street.town.write(charge, [Charge(asked, street.code())])
    _, held = answer
    assert (held.state, held.held) == ("authorised", 300_00)
    assert held.hold_until == street.town.clock.now() + timedelta(hours=1)
    done = await street.capture(held, 120_00)
    assert isinstance(done, Payment)
    (purchase,) = await street.town.read(find_purchases, [held.subject])
    assert purchase.state == "paid"


async def test_only_a_customers_wallet_pays_a_code(street: Street) -> None:
    """M7: neither the house's accounts, whose ids are known, nor another shop's."""
    text = await text_of(street, await street.ring_up(5_00))
    street.wallets["custody"] = house_wallet("custody", "CNY")
    for payer in ("custody", "fees", "shop"):
        assert code_of(await scan(street, text, payer)) in ("wallet_not_found", "same_wallet")


async def test_a_scan_that_makes_no_sense_leaves_the_order_number_free(street: Street) -> None:
    for code, expected in (("8612", "code_malformed"), ("134567890123456789", "code_not_ours")):
        assert code_of(await street.charge(1_00, code, "F1")) == expected
    assert await street.town.sql("select * from purchase") == []
    assert code_of(await street.charge(2_00, number="F1")) == "ok"


async def test_a_purchase_charged_in_vain_can_be_paid_by_the_shops_code(street: Street) -> None:
    phone = await street.device("bob")
    assert code_of(await street.charge(5_00, street.code(phone), "F2")) == "insufficient_funds"
    again = await street.ring_up(5_00, "F2")
    assert code_of(await scan(street, await text_of(street, again))) == "ok"


async def test_an_expired_code_is_renewed_by_ringing_up_again(street: Street) -> None:
    first = await street.ring_up(5_00, "F3")
    street.town.later(minutes=11)
    again = await street.ring_up(5_00, "F3")
    assert (again.id, again.code != first.code) == (first.id, True)
    assert code_of(await scan(street, await text_of(street, first))) == "code_unknown"
    assert code_of(await scan(street, await text_of(street, again))) == "ok"


async def test_guesses_in_one_batch_lock_as_guesses_one_by_one(street: Street) -> None:
    """S9: parallel tries count like any others."""
    good = street.code()
    wrong = [good[:12] + f"{(int(good[12:]) + n) % 10**7:07d}" for n in range(1, 50)]
    asked = [Charge(street.purchase(1_00), code) for code in [*wrong, good]]
    answers = [code_of(each) for each in await street.town.write(charge, asked)]
    assert answers == ["code_wrong"] * 5 + ["device_locked"] * 45


async def test_a_stand_takes_its_own_currency_only(street: Street) -> None:
    """M7: dollars at a yuan code would pass the limits of the code."""
    stand = await street.town.write(put_up, street.store, "CNY")
    shops = await street.town.read(read_shops, [street.store])
    text = shop_code.payload(shops[street.store], stand.token, None, guid=GUID, currency_code="CNY")
    assert code_of(await scan(street, text, amount=Money(1_00, "USD"))) == "currency_mismatch"


async def test_a_purchase_whose_hold_was_given_back_is_closed(street: Street) -> None:
    """What is shown is the state of the money."""
    asked = street.purchase(300_00, "H2", capture="later", hold_seconds=3600)
    ((_, held),) = await street.town.write(charge, [Charge(asked, street.code())])
    await street.cancel(held)
    (purchase,) = await street.town.read(find_purchases, [held.subject])
    assert purchase.state == "closed"
    (again,) = await street.town.write(charge, [Charge(asked, street.code(counter=1))])
    assert code_of(again) == "code_cancelled"


async def test_a_store_closed_after_ringing_up_takes_nothing(street: Street) -> None:
    await street.ring_up(5_00, "F4")
    await street.town.write(close_store, street.store)
    assert code_of(await street.charge(5_00, number="F4")) == "store_closed"


async def test_the_same_code_twice_for_one_purchase_hears_the_same_also_in_a_batch(street: Street) -> None:
    phone = await street.device("bob")
    asked = Charge(street.purchase(5_00, "F5"), street.code(phone))
    answers = await street.town.write(charge, [asked, asked])
    assert [code_of(each) for each in answers] == ["insufficient_funds", "insufficient_funds"]
