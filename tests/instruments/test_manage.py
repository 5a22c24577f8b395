"""Wallets: frozen, released, closed; limits the owner chooses."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from feiqian.instruments import OwnLimit, open_wallets
from feiqian.instruments.manage import (
    BadLimits,
    WalletStateRefused,
    check_limits,
    close,
    freeze,
    release,
    set_limits,
    wallet,
    wallets_of,
)
from feiqian.instruments.wallet import HOUSE
from feiqian.kernel.errors import NotFound
from feiqian.kernel.ids import new_id
from feiqian.kernel.money import MAX_MINOR
from feiqian.ledger.account import AccountNotEmpty
from feiqian.parties import NewParty, register
from tests.books import Town

pytestmark = pytest.mark.anyio


async def a_wallet(town: Town, code: str = "CNY") -> UUID:
    who = NewParty("person", "张三")
    await town.write(register, [who])
    return (await town.write(open_wallets, [(who.id, "customer_wallet", code)]))[0]


async def test_frozen_gives_nothing_until_released(town: Town) -> None:
    id = await a_wallet(town)
    assert (await town.write(freeze, id)).state == "frozen"
    assert (await town.write(freeze, id)).state == "frozen"
    assert (await town.read(wallet, id)).state == "frozen"
    assert (await town.write(release, id)).state == "active"
    assert (await town.write(release, id)).state == "active"
    assert await town.events(id) == ["wallet.frozen", "wallet.released"]


async def test_closed_only_when_empty_and_for_good(town: Town) -> None:
    id = await a_wallet(town)
    await town.fund(id, 1)
    with pytest.raises(AccountNotEmpty):
        await town.write(close, id)
    assert (await town.read(wallet, id)).state == "active"
    await town.fund(id, -1)
    assert (await town.write(close, id)).state == "closed"
    assert (await town.write(close, id)).state == "closed"
    assert [row["closed"] for row in await town.sql("select closed from account where id = $1", id)] == [True]
    for verb in (freeze, release):
        with pytest.raises(WalletStateRefused):
            await town.write(verb, id)
    with pytest.raises(WalletStateRefused):
        await town.write(set_limits, id, [OwnLimit("amount", "day", 1)])
    assert await town.events(id) == ["wallet.closed"]


async def test_the_house_and_nobody_are_not_found(town: Town) -> None:
    house = (await town.write(open_wallets, [(HOUSE, "fee_income", "CNY")]))[0]
    for id in (house, new_id()):
        for verb in (freeze, release, close):
            with pytest.raises(NotFound):
                await town.write(verb, id)
    with pytest.raises(NotFound):
        await town.read(wallet, new_id())


async def test_limits_take_the_place_of_those_before(town: Town) -> None:
    id = await a_wallet(town)
    two = [OwnLimit("amount", "day", 5000), OwnLimit("count", "day", 3)]
    assert (await town.write(set_limits, id, two)).limits == tuple(two)
    assert (await town.write(set_limits, id, two)).limits == tuple(two)
    assert (await town.read(wallet, id)).limits == tuple(two)
    assert (await town.write(set_limits, id, [])).limits == ()
    assert (await town.read(wallet, id)).limits == ()
    assert await town.events(id) == ["wallet.limits_changed"] * 2


@pytest.mark.parametrize(
    ("limits", "at_fault"),
    [
        ([], None),
        ([OwnLimit("amount", "day", 1), OwnLimit("amount", "year", MAX_MINOR)], None),
        ([OwnLimit("amount", "day", 0)], "limits.0.most"),
        ([OwnLimit("amount", "day", -1)], "limits.0.most"),
        ([OwnLimit("amount", "day", MAX_MINOR + 1)], "limits.0.most"),
        ([OwnLimit("count", "day", True)], "limits.0.most"),
        ([OwnLimit("amount", "day", 1), OwnLimit("amount", "day", 2)], "limits.1"),
        ([OwnLimit("amount", "life", 1)], "limits.0"),  # type: ignore[arg-type]
    ],
)
def test_which_limits_make_sense(limits: list[OwnLimit], at_fault: str | None) -> None:
    param: Any = None
    try:
        check_limits(limits)
    except BadLimits as refusal:
        param = refusal.param
    assert param == at_fault


async def test_an_owner_sees_all_its_wallets(town: Town) -> None:
    id = await a_wallet(town)
    one = await town.read(wallet, id)
    assert one.account_class == 1
    other = (await town.write(open_wallets, [(one.owner, "customer_wallet", "USD")]))[0]
    assert {w.id for w in await town.read(wallets_of, one.owner)} == {id, other}
    assert await town.read(wallets_of, new_id()) == []
