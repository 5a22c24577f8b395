"""Keys: shown once, rotated with an overlap, revoked at once, and good in their own book only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from feiqian.access import (
    SCOPES,
    ApiKey,
    BadOverlap,
    BadScopes,
    Forbidden,
    KeyEnded,
    Keyring,
    Unauthenticated,
    allow,
    check_grant,
    create,
    find_key,
    keyring,
    owned_by,
    page_of_keys,
    revoke,
    rotate,
)
from feiqian.kernel.book import Book
from feiqian.kernel.clock import HandClock
from feiqian.kernel.database import Database
from feiqian.kernel.errors import NotFound
from feiqian.kernel.ids import new_id
from feiqian.kernel.text import BadName
from tests.books import Town

pytestmark = pytest.mark.anyio

ALL = tuple(SCOPES)


async def made(town: Town, *scopes: str, **more: Any) -> tuple[ApiKey, str]:
    return await town.write(create, "shop", scopes or ("payments:read",), **more)


@pytest.fixture
async def ring(town: Town) -> Keyring:
    """A keyring that listens."""
    ring = Keyring(town.book)
    await ring.open()
    await until(lambda: ring.remembers)
    return ring


@pytest.fixture
async def elsewhere(town: Town) -> AsyncIterator[Keyring]:
    """A keyring of the same book in another process: with connections of its own."""
    schema = town.book.database.schema
    database = Database(town.dsn, schema, 2, name=schema)
    await database.open()
    ring = Keyring(Book("town", "sandbox", database, town.clock))
    await ring.open()
    await until(lambda: ring.remembers)
    yield ring
    await database.close()


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = monotonic() + seconds
    while not condition():
        assert monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.005)


async def refused(ring: Keyring, secret: str) -> bool:
    try:
        await ring.check(secret)
    except Unauthenticated:
        return True
    return False


def without_database(ring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on this keyring cannot read."""

    async def fail(*_: Any) -> None:
        raise AssertionError("it read the database")

    monkeypatch.setattr(ring, "_look_up", fail)


async def test_a_key_opens_with_its_secret_alone(town: Town, ring: Keyring) -> None:
    one, secret = await made(town, "refunds:write", "payments:read", "payments:read")
    assert secret.startswith("sk_test_")
    assert len(secret) == 8 + 43
    assert one.tail == secret[-4:]
    assert one.scopes == ("payments:read", "refunds:write")
    assert await ring.check(secret) == one
    stored = str([dict(row) for row in await town.sql("select * from api_key, event")])
    assert secret not in stored
    assert secret[8:] not in stored


@pytest.mark.parametrize(
    "bent",
    ["", "sk_test_", "x" * 51, "{0} ", " {0}", "{0}\n", "{0}a", "SK_TEST_{1}", "sk_live_{1}", "Bearer {0}",
     "{1}", "sk_test_" + "é" * 43, "sk_test_" + "A" * 43],
)  # fmt: skip
async def test_every_wrong_secret_gets_the_same_answer(town: Town, ring: Keyring, bent: str) -> None:
    _, secret = await made(town)
    with pytest.raises(Unauthenticated) as caught:
        await ring.check(bent.format(secret, secret[8:]))
    assert (caught.value.status, caught.value.code) == (401, "unauthenticated")
    assert (caught.value.facts, caught.value.param) == ({}, None)


async def test_a_key_of_the_other_kind_of_book_does_not_open(town: Town) -> None:
    live = Town(town.dsn, town.book.database, "live")
    sandbox_ring, live_ring = Keyring(town.book), Keyring(live.book)
    _, test_secret = await made(town)
    _, live_secret = await made(live)
    assert live_secret.startswith("sk_live_")
    assert not await refused(sandbox_ring, test_secret)
    assert not await refused(live_ring, live_secret)
    assert await refused(sandbox_ring, live_secret)
    assert await refused(live_ring, test_secret)


@pytest.mark.parametrize(
    "scopes", [(), ("payments:all",), ("payments:read", ""), "payments:read", None, ({},)]
)
async def test_a_key_has_scopes_that_there_are(town: Town, scopes: Any) -> None:
    with pytest.raises(BadScopes):
        await town.write(create, "shop", scopes)


async def test_a_key_has_a_name(town: Town) -> None:
    with pytest.raises(BadName):
        await town.write(create, "\n", ALL)


async def test_both_keys_work_during_the_overlap(town: Town, ring: Keyring) -> None:
    merchant = new_id()
    old, old_secret = await made(town, merchant=merchant)
    assert await ring.check(old_secret) == old
    fresh, secret = await town.write(rotate, old.id, timedelta(hours=1))
    same = (old.principal, old.merchant, old.scopes, old.name)
    assert (fresh.principal, fresh.merchant, fresh.scopes, fresh.name) == same
    town.later(minutes=59, seconds=59)
    assert not await refused(ring, old_secret)
    assert not await refused(ring, secret)
    town.later(seconds=1)
    assert await refused(ring, old_secret)
    assert not await refused(ring, secret)
    assert await town.events() == ["key.created", "key.created", "key.rotated"]


async def test_no_overlap_ends_the_old_key_at_once(town: Town, ring: Keyring) -> None:
    old, old_secret = await made(town)
    await ring.check(old_secret)
    await town.write(rotate, old.id, timedelta(0))
    await ring.catch_up()
    assert await refused(ring, old_secret)


async def test_what_cannot_be_rotated(town: Town) -> None:
    one, _ = await made(town)
    for overlap in (timedelta(seconds=-1), timedelta(days=30, seconds=1)):
        with pytest.raises(BadOverlap):
            await town.write(rotate, one.id, overlap)
    with pytest.raises(NotFound):
        await town.write(rotate, new_id(), timedelta(0))
    fresh, _ = await town.write(rotate, one.id, timedelta(days=30))
    with pytest.raises(KeyEnded):
        await town.write(rotate, one.id, timedelta(0))
    await town.write(revoke, fresh.id)
    with pytest.raises(KeyEnded):
        await town.write(rotate, fresh.id, timedelta(0))


async def test_revocation_bites_on_the_next_call_everywhere(
    town: Town, ring: Keyring, elsewhere: Keyring
) -> None:
    one, secret = await made(town)
    assert await ring.check(secret) == await elsewhere.check(secret) == one
    revoked = await town.write(revoke, one.id)
    assert revoked.ends_at == town.clock.now()
    for each in (ring, elsewhere):
        await each.catch_up()  # what every commit before has told has now been heard
        assert await refused(each, secret)
    assert await town.write(revoke, one.id) == revoked
    assert await town.events() == ["key.created", "key.revoked"]
    with pytest.raises(NotFound):
        await town.write(revoke, new_id())


async def test_a_revoked_key_is_dead_for_a_clock_that_is_behind(town: Town) -> None:
    one, secret = await made(town)
    town.later(days=30)
    await town.write(revoke, one.id)
    behind = Keyring(Book("town", "sandbox", town.book.database, HandClock()))
    assert await refused(behind, secret)


async def test_revocation_ends_an_overlap_too(town: Town, ring: Keyring) -> None:
    old, old_secret = await made(town)
    await town.write(rotate, old.id, timedelta(days=1))
    assert not await refused(ring, old_secret)
    await town.write(revoke, old.id)
    await ring.catch_up()
    assert await refused(ring, old_secret)


async def test_a_known_key_is_checked_without_the_database(
    town: Town, ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, secret = await made(town)
    await ring.check(secret)
    without_database(ring, monkeypatch)
    assert await ring.check(secret) == one


async def test_memory_is_short_in_any_case(
    town: Town, ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, secret = await made(town)
    await ring.check(secret)
    await town.sql("update api_key set revoked_at = now()")  # told to nobody
    assert await ring.check(secret) == one
    monkeypatch.setattr(keyring, "REMEMBERED_SECONDS_MAX", 0.0)
    assert await refused(ring, secret)


async def test_another_books_news_are_not_ours(
    town: Town, ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, secret = await made(town)
    await ring.check(secret)
    await town.sql("select pg_notify('feiqian_keys', 'other_book ' || $1::text)", one.id.hex)
    await ring.catch_up()
    without_database(ring, monkeypatch)
    assert await ring.check(secret) == one


async def test_all_is_forgotten_when_the_listening_connection_dies(
    town: Town, elsewhere: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, secret = await made(town)
    await elsewhere.check(secret)
    owner = await asyncpg.connect(town.dsn)
    held = asyncio.Event()
    real = asyncpg.connect

    async def not_yet(*args: Any, **named: Any) -> Any:
        await held.wait()
        return await real(*args, **named)

    monkeypatch.setattr(asyncpg, "connect", not_yet)  # so that it stays deaf for a while
    await owner.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where query ilike 'listen%' and application_name = $1",
        town.book.database.schema,
    )
    await owner.close()
    await until(lambda: not elsewhere.remembers)
    # Deaf, it reads every time, and so a revocation that it cannot hear of bites all the same.
    assert await elsewhere.check(secret) == one
    await town.sql("update api_key set revoked_at = now()")
    assert await refused(elsewhere, secret)
    await town.sql("update api_key set revoked_at = null")
    assert await elsewhere.check(secret) == one
    held.set()
    while not elsewhere.remembers:  # each request makes it try again to prove that it hears
        assert await elsewhere.check(secret) == one
        await asyncio.sleep(0.01)
    await elsewhere.check(secret)
    without_database(elsewhere, monkeypatch)
    assert await elsewhere.check(secret) == one


async def test_a_keyring_that_was_never_opened_reads_every_time(town: Town) -> None:
    ring = Keyring(town.book)
    one, secret = await made(town)
    assert await ring.check(secret) == one
    await town.write(revoke, one.id)
    assert await refused(ring, secret)
    assert not ring.remembers


async def test_what_was_read_before_a_revocation_is_not_remembered(
    town: Town, ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, secret = await made(town)
    read_it, go_on = asyncio.Event(), asyncio.Event()
    living_key = keyring.queries.living_key

    async def slowly(*args: Any, **named: Any) -> Any:
        row = await living_key(*args, **named)
        read_it.set()
        await go_on.wait()
        return row

    monkeypatch.setattr(keyring.queries, "living_key", slowly)
    asking = asyncio.create_task(ring.check(secret))
    await read_it.wait()
    await town.write(revoke, one.id)
    await ring.catch_up()
    go_on.set()
    assert await asking == one  # it came before the revocation
    assert await refused(ring, secret)


async def test_lists_go_by_merchant(town: Town) -> None:
    shop = new_id()
    mine = [(await made(town, merchant=shop))[0] for _ in range(3)]
    other, _ = await made(town)
    newest_first = sorted([*mine, other], key=lambda k: k.id, reverse=True)
    assert await town.read(page_of_keys, 10) == newest_first
    assert await town.read(page_of_keys, 2, starting_after=newest_first[1].id) == newest_first[2:]
    mine_first = [k for k in newest_first if k.merchant == shop]
    assert await town.read(page_of_keys, 10, merchant=shop) == mine_first
    assert await town.read(page_of_keys, 1, ending_before=mine_first[2].id, merchant=shop) == mine_first[1:2]
    assert await town.read(find_key, other.id) == other
    with pytest.raises(NotFound):
        await town.read(find_key, new_id())


def a_key(merchant: UUID | None, *scopes: str) -> ApiKey:
    at = HandClock().now()
    return ApiKey(new_id(), new_id(), merchant, "k", scopes, "tail", at.date(), at, None)


def test_a_key_does_what_its_scopes_say() -> None:
    for scope in ALL:
        allow(a_key(None, scope), scope)
        with pytest.raises(Forbidden) as caught:
            allow(a_key(None, *(set(ALL) - {scope})), scope)
        assert (caught.value.status, caught.value.facts) == (403, {"scope": scope})
    with pytest.raises(KeyError):
        allow(a_key(None, *ALL), "payments:all")


def test_a_merchants_key_sees_its_own_things_only() -> None:
    mine, yours = new_id(), new_id()
    owned_by(a_key(mine), mine)
    for merchant in (mine, yours, None):
        owned_by(a_key(None), merchant)
    for other in (yours, None):
        with pytest.raises(NotFound):
            owned_by(a_key(mine), other)


def test_nobody_gives_more_than_they_have() -> None:
    mine = new_id()
    giver = a_key(mine, "keys:write", "payments:read")
    check_grant(giver, ("payments:read",), mine)
    with pytest.raises(Forbidden):
        check_grant(giver, ("payments:write",), mine)
    with pytest.raises(BadScopes):
        check_grant(giver, ("payments:all",), mine)
    for other in (new_id(), None):
        with pytest.raises(NotFound):
            check_grant(giver, ("payments:read",), other)


def test_every_scope_is_said_in_two_languages() -> None:
    assert all(scope.en and scope.zh for scope in SCOPES.values())
