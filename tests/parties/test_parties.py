"""Parties: taken in many at once, found again, frozen, released, reclassed and closed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from feiqian.instruments import open_wallets
from feiqian.kernel.errors import FeiqianError, NotFound, Refused
from feiqian.kernel.ids import new_id
from feiqian.parties import (
    BadAccountClass,
    BadPhone,
    NewParty,
    NotAPerson,
    Party,
    PartyNotEmpty,
    PartyStateRefused,
    by_phone,
    by_reference,
    e164,
    find_party,
    page_of_parties,
    register,
    set_class,
    set_state,
)
from tests.books import Town

pytestmark = pytest.mark.anyio


def codes(answers: list[Party | Refused]) -> list[str]:
    return [one.code if isinstance(one, Refused) else "ok" for one in answers]


async def take_in(town: Town, name: str = "张三", **more: Any) -> Party:
    answer = (await town.write(register, [NewParty(more.pop("kind", "person"), name, **more)]))[0]
    assert isinstance(answer, Party), answer
    return answer


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("13800138000", "+8613800138000"),
        (" 138 0013-8000 ", "+8613800138000"),
        ("+86 138 0013 8000", "+8613800138000"),
        ("0086 138 0013 8000", "+8613800138000"),
        ("+852 9123 4567", "+85291234567"),
        ("+1 (415) 555-2671", "+14155552671"),
    ],
)
def test_one_number_has_one_form(written: str, number: str) -> None:
    assert e164(written) == number


@pytest.mark.parametrize(
    "written",
    ["", "1", "110", "+999 123456789", "138001380001234", "1-800-FLOWERS", "１３８００１３８０００",
     "13800138000;ext=1", "13800138000\n", "tel:13800138000", None, 13800138000, "+" + "1" * 60],
)  # fmt: skip
def test_what_is_no_number_is_refused(written: Any) -> None:
    with pytest.raises(BadPhone):
        e164(written)


async def test_a_refusal_stops_no_neighbour(town: Town) -> None:
    await take_in(town, phone="13800138000", reference="r-1")
    answers = await town.write(
        register,
        [
            NewParty("person", "李四", phone="+86 138 0013 8000"),
            NewParty("person", "王五", phone="13800138001", reference="r-2"),
            NewParty("person", "赵六", phone="138 0013 8001"),  # taken a line above
            NewParty("organisation", "飞钱小学", reference="r-1"),
            NewParty("organisation", "飞钱中学", reference="r-2"),
            NewParty("person", "a\nb"),
            NewParty("person", "孙七", phone="110x"),
            NewParty("person", "周八", reference=" x"),
            NewParty("person", "吴九", metadata={"k": "\0"}),
            NewParty("organisation", "郑十", account_class=1),
            NewParty("person", "钱一", account_class=4),
            NewParty("person", "钱二", account_class=3, metadata={"a": "b"}),
            NewParty("organisation", "飞钱大学"),
        ],
    )
    assert codes(answers) == [
        "phone_taken",
        "ok",
        "phone_taken",
        "reference_taken",
        "reference_taken",
        "bad_name",
        "bad_phone",
        "bad_text",
        "bad_text",
        "bad_account_class",
        "bad_account_class",
        "ok",
        "ok",
    ]
    for answer in answers:
        if isinstance(answer, Party):
            assert await town.read(find_party, answer.id) == answer
    assert await town.events() == ["party.registered"] * 4


async def test_nobody_at_all_is_registered_at_once(town: Town) -> None:
    assert await town.write(register, []) == []


async def test_the_same_registration_twice_is_one(town: Town) -> None:
    one = NewParty("person", "张三", phone="13800138000", reference="r")
    first = await town.write(register, [one, one])
    assert first[0] == first[1]
    assert await town.write(register, [one]) == first[:1]
    assert await town.events() == ["party.registered"]


async def test_events_name_nobody(town: Town) -> None:
    await take_in(town, "张三丰", phone="13800138000")
    told = str([dict(row) for row in await town.sql("select data, subject, owner from event")])
    assert "张三丰" not in told
    assert "138001" not in told


async def test_found_by_phone_and_reference(town: Town) -> None:
    one = await take_in(town, phone="13800138000", reference="r")
    assert await town.read(by_phone, "138 0013 8000") == one
    assert await town.read(by_phone, "13800138001") is None
    assert await town.read(by_reference, "r") == one
    with pytest.raises(NotFound):
        await town.read(find_party, new_id())


async def test_pages_go_down_and_up(town: Town) -> None:
    people = await town.write(register, [NewParty("person", f"p{n}") for n in range(7)])
    newest_first = sorted((p.id for p in people if isinstance(p, Party)), reverse=True)

    async def page(**cursor: UUID) -> list[UUID]:
        return [p.id for p in await town.read(page_of_parties, 3, **cursor)]

    assert await page() == newest_first[:3]
    assert await page(starting_after=newest_first[2]) == newest_first[3:6]
    assert await page(starting_after=newest_first[5]) == newest_first[6:]
    assert await page(starting_after=newest_first[6]) == []
    assert await page(ending_before=newest_first[6]) == newest_first[3:6]
    assert await page(ending_before=newest_first[1]) == newest_first[:1]
    assert await page(ending_before=newest_first[0]) == []


@pytest.mark.parametrize(
    ("path", "last", "told"),
    [
        (["frozen"], "ok", ["frozen"]),
        (["frozen", "frozen"], "ok", ["frozen"]),
        (["frozen", "active"], "ok", ["frozen", "released"]),
        (["active"], "ok", []),
        (["closed"], "ok", ["closed"]),
        (["frozen", "closed"], "ok", ["frozen", "closed"]),
        (["closed", "active"], "party_state", ["closed"]),
        (["closed", "frozen"], "party_state", ["closed"]),
        (["closed", "closed"], "ok", ["closed"]),
        (["asleep"], "party_state", []),
    ],
)
async def test_states(town: Town, path: list[str], last: str, told: list[str]) -> None:
    one = await take_in(town)
    code = "ok"
    for state in path:
        try:
            assert (await town.write(set_state, one.id, state)).state == state
        except FeiqianError as error:
            code = error.code
    assert code == last
    assert await town.events(one.id) == ["party.registered", *(f"party.{type}" for type in told)]


async def test_nobody_is_closed_over_money(town: Town) -> None:
    one = await take_in(town)
    wallet, _ = await town.write(
        open_wallets, [(one.id, "customer_wallet", "CNY"), (one.id, "customer_wallet", "USD")]
    )
    await town.fund(wallet, 1)
    with pytest.raises(PartyNotEmpty):
        await town.write(set_state, one.id, "closed")
    await town.fund(wallet, -1)
    assert (await town.write(set_state, one.id, "closed")).state == "closed"


async def test_a_closed_partys_number_is_free_again(town: Town) -> None:
    old = await take_in(town, phone="13800138000", reference="r")
    await town.write(set_state, old.id, "closed")
    assert await town.read(by_phone, "13800138000") is None
    new = await take_in(town, "李四", phone="13800138000")
    assert await town.read(by_phone, "13800138000") == new
    taken = await town.write(register, [NewParty("person", "王五", reference="r")])
    assert codes(taken) == ["reference_taken"]


async def test_classes(town: Town) -> None:
    one = await take_in(town)
    school = await take_in(town, "飞钱小学", kind="organisation")
    assert (one.account_class, school.account_class) == (1, None)
    assert (await town.write(set_class, one.id, 3)).account_class == 3
    assert (await town.write(set_class, one.id, 3)).account_class == 3
    assert await town.events(one.id) == ["party.registered", "party.class_changed"]
    for bad in (0, 4, True, None):
        with pytest.raises(BadAccountClass):
            await town.write(set_class, one.id, bad)
    with pytest.raises(NotAPerson):
        await town.write(set_class, school.id, 1)
    with pytest.raises(NotFound):
        await town.write(set_class, new_id(), 1)
    await town.write(set_state, one.id, "closed")
    with pytest.raises(PartyStateRefused):
        await town.write(set_class, one.id, 2)
