"""Keys (D4, D5): who can open what, rotation while cards are bound and read, and keys that are gone."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from feiqian.kernel.errors import Broken, NotFound, Refused
from feiqian.kernel.ids import new_id
from feiqian.vault import CardNumber, FileKeys, Vault, with_pan
from feiqian.vault.destroy import destroy_data_key
from feiqian.vault.open_vault import open_vault
from feiqian.vault.rotate import forget_unneeded, rotate
from feiqian.vault.verify import verify
from tests.books import Town
from tests.vaults import bound, made_up

pytestmark = pytest.mark.anyio


async def number_of(vault: Vault, card: Any) -> str:
    async def work(lent: CardNumber) -> str:
        return lent.number

    return await with_pan(vault, card.id, "test", work, who="test")


async def test_the_application_cannot_read_a_card(vault: Vault, town: Town, dsn: str, admin_dsn: str) -> None:
    if dsn == admin_dsn:
        pytest.skip("the server named for the tests is entered as one role")
    await bound(vault)
    schema = vault.database.schema
    for statement in (
        f'select * from "{schema}".card',
        f'select * from "{schema}".data_key',
        f'select * from "{schema}".access_log',
        f'insert into "{schema}".vault_turn values (false)',
        f'drop table "{schema}".card',
        f'alter schema "{schema}" owner to current_user',
        f'grant usage on schema "{schema}" to current_user',
        "set role feiqian_vault",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match=r"denied|must be owner"):
            await town.sql(statement)
    async with vault.database.read() as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
            await connection.fetch(f'select * from "{town.book.database.schema}".party')
    assert not (await verify(vault, "test")).exposed


def fitting_16(first: str, last: str) -> Iterator[str]:
    """Every number of 16 digits with these at its ends and a sound check digit: the twelfth is forced."""
    doubled = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
    fixed = sum(doubled[int(digit)] if at % 2 == 0 else int(digit) for at, digit in enumerate(first))
    fixed += sum(doubled[int(digit)] if at % 2 == 0 else int(digit) for at, digit in enumerate(last))
    for n in range(100_000):
        five = f"{n:05d}"
        digits = [int(digit) for digit in five]
        total = fixed + sum(doubled[digit] for digit in digits[::2]) + sum(digits[1::2])
        yield f"{first}{five}{-total % 10}{last}"


async def test_without_the_key_hash_and_mask_tell_nothing(vault: Vault) -> None:
    """D4: all 100,000 numbers that fit first six and last four, under every key one may guess."""
    number = made_up("622588", 16)
    await bound(vault, number)
    async with vault.database.read() as connection:
        row = await connection.fetchrow("select id, owner, bin, last_four, hash, sealed from card")
    fitting = list(fitting_16(row["bin"], row["last_four"]))
    assert len(fitting) == 100_000
    assert number in fitting
    guesses = [b"", b"feiqian", vault.database.schema.encode(), row["id"].bytes, row["owner"].bytes]
    for each in fitting:
        plain = each.encode()
        assert hashlib.sha256(plain).digest() != row["hash"]
        assert plain not in row["sealed"]
        for key in guesses:
            assert hmac.digest(key, plain, "sha256") != row["hash"]
    with_key = [
        each for each in fitting if hmac.digest(vault.look_up_key, each.encode(), "sha256") == row["hash"]
    ]
    assert with_key == [number]


async def test_ciphertexts_do_not_move_between_rows(vault: Vault) -> None:
    one, two = await bound(vault), await bound(vault)
    async with vault.database.read() as connection:
        await connection.execute(
            "update card set sealed = (select sealed from card where id = $1) where id = $2", one.id, two.id
        )
    with pytest.raises(Broken) as broken:
        await number_of(vault, two)
    assert broken.value.code == "card_sealed_otherwise"
    proof = await verify(vault, "test")
    assert not proof.ok
    assert proof.readable == 1
    assert proof.faults == [f"crd_{two.id.hex}: card_sealed_otherwise"]


async def test_equal_numbers_and_lengths_look_different_and_alike(vault: Vault) -> None:
    cards = [await bound(vault, made_up("62", length, 8), new_id()) for length in (12, 16, 19, 19)]
    async with vault.database.read() as connection:
        rows = await connection.fetch("select id, sealed from card")
    assert len({row["sealed"] for row in rows}) == len(cards) == 4
    assert len({len(row["sealed"]) for row in rows}) == 1


async def test_rotation_under_load_fails_nobody(
    vault: Vault, town: Town, vault_dsn: str, tmp_path: Path
) -> None:
    """Another process rotates and retires three times while this one binds and reads."""
    numbers: dict[Any, str] = {}
    for _ in range(10):
        number = made_up()
        numbers[await bound(vault, number)] = number
    path = tmp_path / "keys" / "sandbox"
    other = await open_vault(vault_dsn, town.book, FileKeys(path, "sandbox"), cards_per_key=3)
    running = True
    reads = 0

    async def binds() -> None:
        while running:
            number = made_up()
            numbers[await bound(vault, number)] = number

    async def looks() -> None:
        nonlocal reads
        while running:
            for card, number in list(numbers.items())[-20:]:
                assert await number_of(vault, card) == number
                vault._opened.clear()  # so that each look unwraps anew
                reads += 1

    load = [asyncio.create_task(work()) for work in (binds, binds, looks, looks)]
    await asyncio.sleep(0.1)
    before, used, retired = path.read_text(), set(), []
    for _ in range(3):
        done = await rotate(other.keys, [other], "test", retire=True)
        used.add(done.kek)
        retired += done.retired
        assert done.rewrapped > 0
        await asyncio.sleep(0.2)
    running = False
    await asyncio.gather(*load)
    assert reads > 20
    assert len(used) == len(retired) == 3
    assert not set(before.splitlines()[2:]) & set(path.read_text().splitlines())
    proof = await verify(vault, "test")
    assert (proof.ok, proof.readable) == (True, len(numbers))
    for card, number in numbers.items():
        assert await number_of(other, card) == number
    await other.close()


async def test_old_and_new_keys_open_until_the_old_is_retired(vault: Vault) -> None:
    card = await bound(vault, number := made_up())
    old = vault.keys.current()
    new = vault.keys.add()
    vault._opened.clear()
    assert await number_of(vault, card) == number  # still wrapped by the old one
    assert await forget_unneeded(vault.keys, [vault], "test") == []  # it is needed, so it stays
    done = await rotate(vault.keys, [vault], "test", retire=True)
    assert sorted(done.retired) == sorted([old, new])
    assert await number_of(vault, card) == number


async def test_rotation_ends_the_use_of_data_keys(vault: Vault) -> None:
    await bound(vault)
    await rotate(vault.keys, [vault], "test")
    await bound(vault)
    async with vault.database.read() as connection:
        groups = await connection.fetch("select cards, closed from data_key order by id")
    assert [tuple(row) for row in groups] == [(1, True), (1, False)]


async def test_a_full_data_key_is_followed_by_another(vault: Vault) -> None:
    for _ in range(7):
        await bound(vault)
    async with vault.database.read() as connection:
        groups = await connection.fetch("select cards, closed from data_key order by id")
    assert [tuple(row) for row in groups] == [(3, True), (3, True), (1, False)]


async def test_a_destroyed_key_is_the_end_of_its_cards(vault: Vault, town: Town, vault_dsn: str) -> None:
    lost = [await bound(vault) for _ in range(3)]
    kept = await bound(vault, number := made_up())
    async with vault.database.read() as connection:
        row = await connection.fetchrow("select id, kek, wrapped from data_key order by id limit 1")
    assert await destroy_data_key(vault, row["id"], "end of use", "test") == 3
    again = await open_vault(vault_dsn, town.book, vault.keys)
    for each in (vault, again):
        for card in lost:
            with pytest.raises(Refused) as refused:
                await number_of(each, card)
            assert refused.value.code == "card_unreadable"
        assert await number_of(each, kept) == number
    await again.close()
    with pytest.raises(NotFound):
        await destroy_data_key(vault, row["id"], "again", "test")
    proof = await verify(vault, "test")
    assert (proof.ok, proof.readable, proof.unreadable, proof.destroyed_keys) == (True, 1, 3, 1)
    # A backup still has the wrapped key, which opens until the key that wrapped it is retired.
    assert vault.keys.unwrap(row["kek"], row["wrapped"], vault.about(row["id"]))
    await rotate(vault.keys, [vault], "test", retire=True)
    with pytest.raises(Broken) as broken:
        vault.keys.unwrap(row["kek"], row["wrapped"], vault.about(row["id"]))
    assert broken.value.code == "vault_key_missing"


async def test_test_keys_are_refused_in_live_and_live_keys_in_test(
    vault: Vault, town: Town, vault_dsn: str, tmp_path: Path
) -> None:
    with pytest.raises(Broken) as broken:
        FileKeys(tmp_path / "keys" / "sandbox", "live")
    assert broken.value.code == "vault_keys_of_other_kind"
    live = FileKeys(tmp_path / "keys" / "live", "live")
    with pytest.raises(Broken) as wrong:
        await open_vault(vault_dsn, town.book, live)
    assert wrong.value.code == "vault_keys_of_other_kind"
    with pytest.raises(Broken):
        FileKeys(tmp_path / "keys" / "live", "sandbox")


async def test_a_vault_whose_keys_are_lost_does_not_open(
    vault: Vault, town: Town, vault_dsn: str, tmp_path: Path
) -> None:
    await bound(vault)
    with pytest.raises(Broken) as broken:
        await open_vault(vault_dsn, town.book, FileKeys(tmp_path / "new" / "sandbox", "sandbox"))
    assert broken.value.code == "vault_key_missing"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.chmod(0o640),
        lambda path: path.write_text(""),
        lambda path: path.write_text("feiqian-vault-keys sandbox\n"),
        lambda path: path.write_text(path.read_text().replace("root ", "root  ")),
        lambda path: path.write_text(path.read_text() + "kek 00 11\n"),
        lambda path: path.write_text("\n".join(path.read_text().splitlines()[1:])),
    ],
)
def test_a_spoilt_key_file_is_refused(tmp_path: Path, spoil: Any) -> None:
    path = tmp_path / "keys" / "sandbox"
    keys = FileKeys(path, "sandbox")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    spoil(path)
    for use in (keys.current, lambda: FileKeys(path, "sandbox")):
        with pytest.raises(Broken) as broken:
            use()
        assert broken.value.code == "bad_vault_keys"
