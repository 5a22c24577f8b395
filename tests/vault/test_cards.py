"""Cards: which numbers are taken, whose they are, and that the same number is the same card."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from feiqian.kernel.errors import NotFound, Refused
from feiqian.kernel.ids import new_id
from feiqian.vault import Vault, bind, cards_of, find_card, put_in_order, unbind, with_pan
from feiqian.vault.bins import recognise
from feiqian.vault.card import check_expiry, check_number, shown_digits
from feiqian.vault.finder import card_numbers, check_free_of_cards
from tests.books import Town
from tests.street import code_of
from tests.vaults import bound, made_up, new_card

pytestmark = pytest.mark.anyio


def answer(work: Callable[[], Any]) -> Any:
    """What comes of it, or the refusal."""
    try:
        return work()
    except Refused as refused:
        return refused


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("4111111111111111", "ok"),
        ("4111 1111 1111 1111", "ok"),
        ("4111-1111-1111-1111", "ok"),
        ("4111111111111112", "bad_card_number"),  # check digit
        ("41111111111", "bad_card_number"),  # 11 digits
        (made_up("62", 12, 1), "ok"),
        (made_up("62", 19, 1), "ok"),
        (made_up("62", 20, 1), "bad_card_number"),
        ("0" * 16, "bad_card_number"),
        ("４１１１１１１１１１１１１１１１", "bad_card_number"),
        ("4111x1111111 1111", "bad_card_number"),
        ("", "bad_card_number"),
    ],
)
def test_a_number_is_12_to_19_digits_with_its_check_digit(text: str, code: str) -> None:
    said = answer(lambda: check_number(text))
    assert code_of(said) == code
    assert text.strip() == "" or code == "ok" or text not in str(said)


@pytest.mark.parametrize(
    ("month", "year", "code"),
    [
        (11, 2026, "ok"),  # good through the end of this month
        (10, 2026, "card_expired"),
        (12, 2025, "card_expired"),
        (11, 2056, "ok"),
        (1, 2057, "bad_card_expiry"),
        (0, 2030, "bad_card_expiry"),
        (13, 2030, "bad_card_expiry"),
        (9, 30, "bad_card_expiry"),
    ],
)
def test_expiry(month: int, year: int, code: str) -> None:
    said = answer(lambda: check_expiry(month, year, date(2026, 11, 30)))
    assert code_of(said) == code
    assert code != "ok" or said == date(year, month, 1)


@pytest.mark.parametrize(
    ("prefix", "length", "name", "kind"),
    [
        ("103", 19, "中国农业银行", "debit"),
        ("356390", 16, "中信银行", "credit"),
        ("622202", 19, "中国工商银行", "debit"),
        ("622202", 15, None, "unknown"),  # no card of that bank has 15 digits
        ("700000", 16, None, "unknown"),
    ],
)
def test_issuers(prefix: str, length: int, name: str | None, kind: str) -> None:
    issuer = recognise(made_up(prefix, length, 3))
    assert (issuer.name, issuer.kind) == (name, kind)


def test_the_longest_prefix_wins() -> None:
    from feiqian.vault.bins import _table

    table = _table()
    pairs = [
        (short, long)
        for long in table
        for cut in range(3, len(long[0]))
        if (short := (long[0][:cut], long[1])) in table
    ]
    assert pairs, "the table has prefixes of prefixes"
    for _, (prefix, length) in pairs:
        assert recognise(prefix.ljust(length, "0")).prefix.startswith(prefix)


@pytest.mark.parametrize(("length", "first"), [(12, 3), (13, 4), (14, 5), (15, 6), (16, 6), (19, 6)])
def test_of_a_short_number_less_is_shown(length: int, first: int) -> None:
    number = made_up("35", length, 1)
    assert shown_digits(number) == (number[:first], number[-4:])


async def test_one_number_of_one_owner_is_one_card(vault: Vault) -> None:
    alice, bob, number = new_id(), new_id(), made_up("622202")
    first = await bound(vault, number, alice)
    assert (first.bin, first.last_four, first.issuer) == ("622202", number[-4:], "中国工商银行")
    spaced = " ".join([number[:4], number[4:8], number[8:]])
    again = await bind(vault, new_card(spaced, alice, year=2031), "test")
    assert (again.id, again.expires) == (first.id, date(2031, 9, 1))
    assert (await bound(vault, number, bob)).id != first.id
    async with vault.database.read() as connection:
        assert [card.id for card in await cards_of(connection, alice)] == [first.id]


async def test_an_unbound_card_leaves_nothing_to_open(vault: Vault) -> None:
    alice, number = new_id(), made_up()
    card = await bound(vault, number, alice)
    assert (await unbind(vault, card.id, "test")).state == "unbound"
    assert (await unbind(vault, card.id, "test")).state == "unbound"
    async with vault.database.read() as connection:
        row = await connection.fetchrow("select sealed, hash from card where id = $1", card.id)
        assert tuple(row) == (None, None)
        assert (await find_card(connection, card.id)).last_four == number[-4:]

    async def work(_: object) -> None:
        raise AssertionError("no number may come here")

    with pytest.raises(Refused) as refused:
        await with_pan(vault, card.id, "test", work, who="test")
    assert refused.value.code == "card_unbound"
    assert (await bound(vault, number, alice)).id != card.id


async def test_order_is_the_owners(vault: Vault) -> None:
    alice = new_id()
    ids = [(await bound(vault, owner=alice)).id for _ in range(3)]
    back = list(reversed(ids))
    assert [card.id for card in await put_in_order(vault, alice, back, "test")] == back
    theirs = (await bound(vault)).id
    for wrong in ([], ids[:2], [*ids, ids[0]], [*ids[:2], theirs]):
        with pytest.raises(Refused) as refused:
            await put_in_order(vault, alice, wrong, "test")
        assert refused.value.code == "bad_card_order"


async def test_twenty_cards_and_no_more(vault: Vault) -> None:
    alice = new_id()
    for _ in range(20):
        await bound(vault, owner=alice)
    with pytest.raises(Refused) as refused:
        await bound(vault, owner=alice)
    assert refused.value.code == "too_many_cards"


async def test_an_expired_card_is_not_bound(vault: Vault, town: Town) -> None:
    asked = new_card(made_up(), month=11, year=2026)
    town.later(days=28, hours=15)
    await bind(vault, asked, "test")
    town.later(hours=1)
    with pytest.raises(Refused) as refused:
        await bind(vault, new_card(made_up(), month=11, year=2026), "test")
    assert refused.value.code == "card_expired"


async def test_every_access_leaves_a_line_that_stays(vault: Vault) -> None:
    number = made_up()
    card = await bound(vault, number)

    async def work(lent: object) -> str:
        assert number not in repr(lent)
        return lent.number  # type: ignore[attr-defined,no-any-return]

    assert await with_pan(vault, card.id, "authorise pay_1", work, who="rail") == number
    with pytest.raises(NotFound):
        await with_pan(vault, new_id(), "authorise pay_2", work, who="rail")
    async with vault.database.read() as connection:
        rows = await connection.fetch("select who, act, why, result from access_log order by seq")
        assert [tuple(row) for row in rows] == [
            ("test", "bind", "bound", "ok"),
            ("rail", "open", "authorise pay_1", "opened"),
            ("rail", "open", "authorise pay_2", "not_found"),
        ]
        for change in (
            "update access_log set who = ''",
            "delete from access_log",
            "truncate access_log",
        ):
            with pytest.raises(Exception, match=r"permission denied|only added to"):
                await connection.execute(change)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("4111111111111111", True),
        ("call 4111 1111 1111 1111 now", True),
        ("%B4111111111111111^LI/MING^3009101?", True),
        ("４１１１ １１１１ １１１１ １１１１", True),
        ("4111.1111.1111.1111", True),
        ("4111111111111112", False),
        ("411111111111111100000", False),  # 21 digits
        ("20261102000100012345", False),
        ("1762041600000", False),
        ("pay_01932c5e8f4a41111111111111111d8e", False),
        ("13800138000", False),
    ],
)
def test_a_number_is_found_in_a_text(text: str, found: bool) -> None:
    assert bool(list(card_numbers(text))) is found


def test_a_callers_own_number_is_refused_only_when_its_issuer_is_known() -> None:
    check_free_of_cards({"merchant_order_no": made_up("41111", 16, 5)})
    for body in ({"merchant_order_no": made_up("622202", 19, 5)}, {"note": made_up("41111", 16, 5)}):
        with pytest.raises(Refused) as refused:
            check_free_of_cards(body)
        assert refused.value.code == "card_number_refused"
