"""Person to person: a name is shown first, and what was shown is what is paid."""

from __future__ import annotations

from typing import Any

import pytest

from feiqian.kernel.ids import new_id
from feiqian.scenes.deposit import Deposit, deposit
from feiqian.scenes.transfer import Lookup, Send, look_up, send
from tests.street import Street, cny, code_of

pytestmark = pytest.mark.anyio


async def find(street: Street, payer: str = "alice", phone: str = "+8613800138002") -> Any:
    return (await street.town.write(look_up, [Lookup(street.wallets[payer], phone)]))[0]


async def transfer(street: Street, payee: Any, minor: int, payer: str = "alice") -> Any:
    return (await street.town.write(send, [Send(street.wallets[payer], payee.id, cny(minor))]))[0]


async def test_a_masked_name_is_shown_and_then_the_money_goes(street: Street) -> None:
    payee = await find(street)
    assert payee.name_shown == "B**"
    paid = await transfer(street, payee, 88_00)
    assert await street.movements(paid) == ["alice > bob 88.00 CNY"]
    assert (await transfer(street, payee, 88_00)).id == paid.id  # one showing, one transfer
    assert code_of(await transfer(street, payee, 1)) == "subject_reused"
    assert await street.balance("bob") == (88_00, 0)


async def test_who_was_not_shown_to_this_wallet_lately_gets_nothing(street: Street) -> None:
    payee = await find(street)
    await street.person("carol", "13800138003")
    await street.town.fund(street.wallets["carol"], 100)
    assert code_of(await transfer(street, payee, 1, "carol")) == "payee_expired"
    street.town.later(minutes=10)
    assert code_of(await transfer(street, payee, 1)) == "payee_expired"
    unknown = Send(street.wallets["alice"], new_id(), cny(1))
    assert code_of((await street.town.write(send, [unknown]))[0]) == "payee_expired"


async def test_nobody_and_oneself(street: Street) -> None:
    assert code_of(await find(street, phone="+8613900000000")) == "no_receiver"
    oneself = await find(street, phone="+8613800138001")
    assert code_of(await transfer(street, oneself, 1)) == "same_wallet"


async def test_limits_apply_to_transfers(street: Street) -> None:
    await street.person("carol", "13800138003", account_class=1)
    await street.town.fund(street.wallets["carol"], 2_000_00)
    assert code_of(await transfer(street, await find(street, "carol"), 1_000_01, "carol")) == "over_limit"
    assert code_of(await transfer(street, await find(street, "carol"), 1_000_00, "carol")) == "ok"


async def test_one_receipt_of_the_custody_bank_is_one_deposit(street: Street) -> None:
    """C7: the reference is the natural key."""
    asked = Deposit(street.wallets["bob"], cny(500_00), "CB-1")
    first, again = await street.town.write(deposit, [asked, asked])
    assert first.id == again.id
    other = Deposit(street.wallets["bob"], cny(500_01), "CB-1")
    assert code_of((await street.town.write(deposit, [other]))[0]) == "subject_reused"
    assert await street.balance("bob") == (500_00, 0)
