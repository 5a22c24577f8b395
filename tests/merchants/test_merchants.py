"""Merchants: taken in with a wallet and a contract; stores and who works there; suspended and resumed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from feiqian.instruments.manage import freeze, release, wallets_of
from feiqian.kernel.errors import NotFound, Refused
from feiqian.kernel.ids import new_id
from feiqian.merchants import (
    Merchant,
    MerchantClosed,
    NewCashier,
    NewMerchant,
    NewStore,
    NewTerminal,
    add_cashiers,
    add_stores,
    add_terminals,
    close_cashier,
    close_store,
    close_terminal,
    contracts,
    find_cashier,
    find_merchant,
    find_store,
    find_terminal,
    page_of_cashiers,
    page_of_contracts,
    page_of_merchants,
    page_of_stores,
    page_of_terminals,
    register,
    resume,
    suspend,
)
from feiqian.pricing import Terms
from tests.books import Town

pytestmark = pytest.mark.anyio


def codes(answers: list[Any]) -> list[str]:
    return [one.code if isinstance(one, Refused) else "ok" for one in answers]


async def take_in(town: Town, **more: Any) -> Merchant:
    answer = (await town.write(register, [NewMerchant("豆花店", "5812", "成都", **more)]))[0]
    assert isinstance(answer, Merchant), answer
    return answer


async def wallet_states(town: Town, id: UUID) -> list[str]:
    return [wallet.state for wallet in await town.read(wallets_of, id)]


async def test_a_merchant_comes_with_a_wallet_and_terms(town: Town) -> None:
    terms = Terms(rate_bps=38, minimum=1)
    one = await take_in(town, terms=terms, reference="r", metadata={"a": "b"})
    assert await town.read(find_merchant, one.id) == one
    wallets = await town.read(wallets_of, one.id)
    assert [(w.kind, w.currency, w.state) for w in wallets] == [("merchant_payable", "CNY", "active")]
    agreed = await town.read(page_of_contracts, one.id, 10)
    assert [(a.currency, a.terms, a.ends_on) for a in agreed] == [("CNY", terms, None)]
    in_force: Any = await town.write(contracts, [one.id])
    assert in_force[one.id, "CNY"].id == agreed[0].id
    fee_wallet = in_force[one.id, "CNY"].fee_wallet
    assert await town.sql("select 1 from wallet where id = $1", fee_wallet)
    assert await town.events() == ["merchant.registered"]


async def test_a_refusal_stops_no_neighbour(town: Town) -> None:
    await take_in(town, reference="r-1")
    answers = await town.write(
        register,
        [
            NewMerchant("a", "5812", "成都", reference="r-1"),
            NewMerchant("b", "5812", "成都", reference="r-2", currency="USD"),
            NewMerchant("c", "5812", "成都", reference="r-2"),
            NewMerchant("\u202e", "5812", "成都"),
            NewMerchant("e", "581", "成都"),
            NewMerchant("f", "５８１２", "成都"),
            NewMerchant("g", "5812", ""),
            NewMerchant("h", "5812", "成都", country="cn"),
            NewMerchant("i", "5812", "成都", currency="XXZ"),
            NewMerchant("j", "5812", "成都", metadata={"": ""}),
            NewMerchant("k", "5812", "成都"),
        ],
    )
    assert codes(answers) == [
        "reference_taken",
        "ok",
        "reference_taken",
        "bad_name",
        "bad_merchant",
        "bad_merchant",
        "bad_name",
        "bad_merchant",
        "unknown_currency",
        "bad_text",
        "ok",
    ]
    for one in answers:
        if isinstance(one, Merchant):
            assert await town.read(find_merchant, one.id) == one
            assert len(await town.read(wallets_of, one.id)) == 1
            assert len(await town.read(page_of_contracts, one.id, 10)) == 1
    assert await town.write(register, []) == []


async def test_everything_may_run_twice(town: Town) -> None:
    shop = NewMerchant("豆花店", "5812", "成都", reference="r")
    till = NewStore(shop.id, "一店")
    who, what = NewCashier(till.id, "小王"), NewTerminal(till.id, "1 号机")
    first: list[Any] = []
    for _ in range(2):
        answers: list[Any] = []
        answers += await town.write(register, [shop, shop])
        answers += await town.write(add_stores, [till, till])
        answers += await town.write(add_cashiers, [who, who])
        answers += await town.write(add_terminals, [what, what])
        assert first in ([], answers)
        first = answers
    assert await town.events() == ["merchant.registered", "store.opened", "cashier.added", "terminal.added"]


async def test_suspended_takes_nothing_until_resumed(town: Town) -> None:
    one = await take_in(town)
    for _ in range(2):
        assert (await town.write(suspend, one.id)).state == "suspended"
        assert await wallet_states(town, one.id) == ["suspended"]
    for _ in range(2):
        assert (await town.write(resume, one.id)).state == "active"
        assert await wallet_states(town, one.id) == ["active"]
    assert await town.events(one.id) == ["merchant.registered", "merchant.suspended", "merchant.resumed"]
    with pytest.raises(NotFound):
        await town.write(suspend, new_id())


async def test_resuming_releases_nothing_that_was_frozen(town: Town) -> None:
    one = await take_in(town)
    wallet = (await town.read(wallets_of, one.id))[0].id
    await town.write(freeze, wallet)
    await town.write(suspend, one.id)
    await town.write(resume, one.id)
    assert await wallet_states(town, one.id) == ["frozen"]
    await town.write(release, wallet)
    await town.write(suspend, one.id)
    await town.write(resume, one.id)
    assert await wallet_states(town, one.id) == ["active"]


async def test_nothing_is_changed_about_a_closed_merchant(town: Town) -> None:
    one = await take_in(town)
    await town.sql("update merchant set state = 'closed'")
    with pytest.raises(MerchantClosed):
        await town.write(resume, one.id)
    assert codes(await town.write(add_stores, [NewStore(one.id, "一店")])) == ["merchant_closed"]


async def test_stores_and_who_works_there(town: Town) -> None:
    one = await take_in(town)
    opened = await town.write(
        add_stores,
        [
            NewStore(one.id, "一店"),
            NewStore(one.id, "二店", "重庆"),
            NewStore(new_id(), "三店"),
            NewStore(one.id, ""),
        ],
    )
    assert codes(opened) == ["ok", "ok", "not_found", "bad_name"]
    first: Any = opened[0]
    second: Any = opened[1]
    assert (first.city, second.city) == ("成都", "重庆")
    assert await town.read(find_store, first.id) == first
    hired: Any = await town.write(
        add_cashiers,
        [NewCashier(first.id, "小王"), NewCashier(new_id(), "小李"), NewCashier(first.id, "\n")],
    )
    assert codes(hired) == ["ok", "not_found", "bad_name"]
    assert hired[0].merchant == one.id
    assert await town.read(find_cashier, hired[0].id) == hired[0]
    assert await town.read(page_of_cashiers, first.id, 10) == hired[:1]
    assert await town.read(page_of_cashiers, second.id, 10) == []
    set_up: Any = await town.write(
        add_terminals, [NewTerminal(first.id, "1 号机"), NewTerminal(second.id, "")]
    )
    assert codes(set_up) == ["ok", "bad_name"]
    assert await town.read(find_terminal, set_up[0].id) == set_up[0]
    assert await town.read(page_of_terminals, first.id, 10) == set_up[:1]


async def test_a_store_closes_with_all_who_work_there(town: Town) -> None:
    one = await take_in(town)
    shops: Any = await town.write(add_stores, [NewStore(one.id, "一店"), NewStore(one.id, "二店")])
    staff: Any = await town.write(add_cashiers, [NewCashier(s.id, "小王") for s in shops])
    tills: Any = await town.write(add_terminals, [NewTerminal(s.id, "机") for s in shops])
    for _ in range(2):
        assert (await town.write(close_store, shops[0].id)).state == "closed"
    assert [(await town.read(find_cashier, c.id)).state for c in staff] == ["closed", "active"]
    assert [(await town.read(find_terminal, t.id)).state for t in tills] == ["closed", "active"]
    assert codes(await town.write(add_cashiers, [NewCashier(shops[0].id, "小李")])) == ["store_state"]
    assert codes(await town.write(add_terminals, [NewTerminal(shops[0].id, "机")])) == ["store_state"]
    for _ in range(2):
        assert (await town.write(close_cashier, staff[1].id)).state == "closed"
        assert (await town.write(close_terminal, tills[1].id)).state == "closed"
    assert (await town.events())[-3:] == ["store.closed", "cashier.closed", "terminal.closed"]
    for verb in (close_store, close_cashier, close_terminal):
        with pytest.raises(NotFound):
            await town.write(verb, new_id())


async def test_pages_never_mix_owners(town: Town) -> None:
    mine, yours = await take_in(town), await take_in(town)
    both: Any = await town.write(
        add_stores, [NewStore(owner.id, f"{n} 店") for n in range(4) for owner in (mine, yours)]
    )
    newest_first = sorted((s.id for s in both if s.merchant == mine.id), reverse=True)
    foreign = next(s.id for s in both if s.merchant == yours.id)

    async def page(**cursor: UUID) -> list[UUID]:
        return [s.id for s in await town.read(page_of_stores, mine.id, 3, **cursor)]

    assert await page() == newest_first[:3]
    assert await page(starting_after=newest_first[2]) == newest_first[3:]
    assert await page(ending_before=newest_first[3]) == newest_first[:3]
    assert set(await page(ending_before=foreign)) <= set(newest_first)
    all_of_them = [m.id for m in await town.read(page_of_merchants, 10)]
    assert all_of_them == sorted((mine.id, yours.id), reverse=True)


async def test_events_name_no_cashier(town: Town) -> None:
    one = await take_in(town)
    opened: Any = await town.write(add_stores, [NewStore(one.id, "一店")])
    await town.write(add_cashiers, [NewCashier(opened[0].id, "王小二")])
    assert "王小二" not in str([row["data"] for row in await town.sql("select data from event")])
