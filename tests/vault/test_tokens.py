"""Tokens: each control by its edges, and that uses made at once are counted one by one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from feiqian.kernel.errors import Refused
from feiqian.kernel.ids import new_id
from feiqian.kernel.money import Money
from feiqian.vault import Asked, Controls, Used, Vault, change_token, find_token, issue, may_use, unbind, use
from tests.books import Town
from tests.vaults import bound

pytestmark = pytest.mark.anyio

AT = datetime(2026, 11, 2, tzinfo=UTC)
PLAIN = Controls("CNY", expires_at=AT + timedelta(days=1))
ASKED = Asked(Money(1_000, "CNY"), "online", "merchant", AT)
CONTROLS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]] = [
    ({}, {}, {}, "ok"),
    ({}, {"state": "suspended"}, {}, "state"),
    ({}, {"state": "deleted"}, {}, "state"),
    ({}, {}, {"at": AT + timedelta(days=1, seconds=-1)}, "ok"),
    ({}, {}, {"at": AT + timedelta(days=1)}, "expires_at"),
    ({}, {}, {"amount": Money(1_000, "USD")}, "currency"),
    ({"channels": ("online",)}, {}, {}, "ok"),
    ({"channels": ("in_store", "recurring")}, {}, {}, "channels"),
    ({"payee_kinds": ("merchant",)}, {}, {}, "ok"),
    ({"payee_kinds": ("person",)}, {}, {}, "payee_kinds"),
    ({}, {}, {"amount": Money(0, "CNY")}, "amount"),
    ({"each_minor": 1_000}, {}, {}, "ok"),
    ({"each_minor": 999}, {}, {}, "each"),
    ({"count_max": 3}, {"count": 2}, {}, "ok"),
    ({"count_max": 3}, {"count": 3}, {}, "count"),
    ({"total_minor": 5_000}, {"total_minor": 4_000}, {}, "ok"),
    ({"total_minor": 5_000}, {"total_minor": 4_001}, {}, "total"),
]


@pytest.mark.parametrize(("controls", "used", "asked", "control"), CONTROLS)
def test_controls(controls: Any, used: Any, asked: Any, control: str) -> None:
    said = may_use(
        msgspec.structs.replace(PLAIN, **controls),
        msgspec.structs.replace(Used(), **used),
        msgspec.structs.replace(ASKED, **asked),
    )
    assert (said.facts["control"] if said else "ok") == control


@pytest.mark.parametrize(
    "controls",
    [
        Controls("CNY"),
        Controls("CNY", count_max=0),
        Controls("CNY", each_minor=-1),
        Controls("CNY", expires_at=AT),
        Controls("CNY", channels=("moon",)),  # type: ignore[arg-type]
    ],
)
async def test_a_token_controls_something_and_lets_something_pass(vault: Vault, controls: Controls) -> None:
    card = await bound(vault)
    with pytest.raises(Refused) as refused:
        await issue(vault, card.id, controls, "test")
    assert refused.value.code == "bad_token_controls"


async def test_fifty_uses_at_once_pass_no_control_together(vault: Vault) -> None:
    card = await bound(vault)
    by_count = await issue(vault, card.id, Controls("CNY", count_max=7), "test")
    by_sum = await issue(vault, card.id, Controls("CNY", total_minor=9_500), "test")

    async def pay(token: Any) -> str:
        try:
            assert (await use(vault, token.id, new_id(), ASKED)).id == card.id
        except Refused as refused:
            return str(refused.facts["control"])
        return "ok"

    for token, control, passed in ((by_count, "count", 7), (by_sum, "total", 9)):
        said = await asyncio.gather(*(pay(token) for _ in range(50)))
        assert (said.count("ok"), said.count(control)) == (passed, 50 - passed)
        async with vault.database.read() as connection:
            used = (await find_token(connection, token.id)).used
        assert (used.count, used.total_minor) == (passed, passed * 1_000)


async def test_a_payment_asked_again_is_counted_once(vault: Vault) -> None:
    card = await bound(vault)
    token = await issue(vault, card.id, Controls("CNY", count_max=1), "test")
    payment = new_id()
    await asyncio.gather(*(use(vault, token.id, payment, ASKED) for _ in range(10)))
    other = msgspec.structs.replace(ASKED, amount=Money(999, "CNY"))
    with pytest.raises(Refused) as refused:
        await use(vault, token.id, payment, other)
    assert refused.value.code == "token_use_reused"


async def test_a_life_of_a_token(vault: Vault, town: Town) -> None:
    card = await bound(vault)
    token = await issue(vault, card.id, Controls("CNY", count_max=9), "test")

    async def said() -> str:
        try:
            await use(vault, token.id, new_id(), ASKED)
        except Refused as refused:
            return refused.code
        return "ok"

    assert await said() == "ok"
    await change_token(vault, token.id, "suspended", "test")
    assert await said() == "token_refused"
    await change_token(vault, token.id, "active", "test")
    assert await said() == "ok"
    await unbind(vault, card.id, "test")  # and with the card its tokens
    assert await said() == "token_refused"
    with pytest.raises(Refused) as refused:
        await change_token(vault, token.id, "active", "test")
    assert refused.value.code == "token_deleted"
    with pytest.raises(Refused) as unbound:
        await issue(vault, card.id, Controls("CNY", count_max=9), "test")
    assert unbound.value.code == "card_unbound"
