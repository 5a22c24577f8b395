"""Devices: bound once, locked by wrong codes, and no code good twice."""

from __future__ import annotations

from datetime import timedelta

import pytest

from feiqian.instruments import open_wallets
from feiqian.instruments.device import (
    Device,
    DeviceRemoved,
    IssuedDevice,
    NewDevice,
    device_secret,
    devices_by_alias,
    devices_of,
    find_device,
    forget_old_codes,
    note_wrong,
    random_alias,
    register,
    remove,
    resume,
    suspend,
    use_codes,
)
from feiqian.instruments.manage import freeze
from feiqian.kernel.errors import NotFound, Refused
from feiqian.kernel.ids import new_id
from feiqian.kernel.secret import SealBroken, new_keys
from feiqian.parties import NewParty
from feiqian.parties import register as register_parties
from feiqian.scenes.shop.payment_code import make, matching_step, split
from tests.books import Town

pytestmark = pytest.mark.anyio

KEYS = new_keys()


async def asked(town: Town, count: int = 1) -> list[NewDevice]:
    """A person with a wallet, and so many devices to bind to it."""
    who = NewParty("person", "张三")
    await town.write(register_parties, [who])
    wallet = (await town.write(open_wallets, [(who.id, "customer_wallet", "CNY")]))[0]
    return [NewDevice(who.id, wallet) for _ in range(count)]


async def bound(town: Town) -> IssuedDevice:
    answer = (await town.write(register, await asked(town), KEYS))[0]
    assert isinstance(answer, IssuedDevice)
    return answer


async def now(town: Town, one: IssuedDevice) -> Device:
    return await town.read(find_device, one.device.id)


async def test_a_code_made_with_the_secret_is_known_by_the_alias(town: Town) -> None:
    one = await bound(town)
    assert len(one.device.alias) == 9
    assert one.device.code_class == "c"
    digits = make(one.secret, one.device.alias, town.clock.now(), 0)
    code = split(digits)
    found = (await town.read(devices_by_alias, [code.alias, "nobody"]))[code.alias]
    assert found == one.device
    assert matching_step(device_secret(found, KEYS), code, town.clock.now()) is not None
    assert await town.read(devices_of, found.party) == [found]


async def test_the_secret_is_stored_sealed_and_bound_to_its_row(town: Town) -> None:
    one, other = await bound(town), await bound(town)
    stored = await town.sql("select secret from device")
    assert all(one.secret not in row["secret"] for row in stored)
    assert one.secret.hex() not in repr(one)
    await town.sql("update device set secret = $1 where id = $2", one.device.sealed, other.device.id)
    with pytest.raises(SealBroken):
        device_secret(await now(town, other), KEYS)


async def test_an_alias_somebody_has_is_not_given_again(town: Town) -> None:
    tries = iter(["000000001", "000000001", "000000001", "000000002", "000000003"])
    first, second, third = await asked(town, 3)
    answers = await town.write(register, [first], KEYS, lambda: next(tries))
    answers += await town.write(register, [second, third], KEYS, lambda: next(tries))
    aliases = [one.device.alias for one in answers if isinstance(one, IssuedDevice)]
    assert sorted(aliases) == ["000000001", "000000002", "000000003"]
    assert all(len(random_alias()) == 9 for _ in range(100))


async def test_the_same_registration_twice_is_one(town: Town) -> None:
    wanted = await asked(town)
    first = await town.write(register, wanted, KEYS)
    assert await town.write(register, wanted, KEYS) == first
    assert await town.events(wanted[0].id) == ["device.registered"]


async def test_only_the_owner_of_a_living_wallet_binds_a_device(town: Town) -> None:
    mine, yours = (await asked(town))[0], (await asked(town))[0]
    wrong_class = NewDevice(mine.party, mine.wallet, "d")  # type: ignore[arg-type]
    answers = await town.write(
        register,
        [NewDevice(mine.party, yours.wallet), NewDevice(mine.party, new_id()), wrong_class, mine],
        KEYS,
    )
    codes = [one.code if isinstance(one, Refused) else "ok" for one in answers]
    assert codes == ["not_found", "not_found", "bad_code_class", "ok"]
    await town.write(freeze, yours.wallet)
    answers = await town.write(register, [yours], KEYS)
    assert [one.code for one in answers if isinstance(one, Refused)] == ["wallet_frozen"]


async def test_suspended_resumed_and_removed_for_good(town: Town) -> None:
    one = await bound(town)
    id, alias = one.device.id, one.device.alias
    assert (await town.write(suspend, id)).state == "suspended"
    assert (await town.write(suspend, id)).state == "suspended"
    assert await town.read(devices_by_alias, [alias]) == {}
    assert (await town.write(resume, id)).state == "active"
    assert list(await town.read(devices_by_alias, [alias])) == [alias]
    removed = await town.write(remove, id)
    assert await town.read(devices_by_alias, [alias]) == {}
    assert removed == await now(town, one)
    with pytest.raises(SealBroken):
        device_secret(removed, KEYS)
    for verb in (suspend, resume):
        with pytest.raises(DeviceRemoved):
            await town.write(verb, id)
    with pytest.raises(NotFound):
        await town.write(suspend, new_id())
    told = ["device.registered", "device.suspended", "device.resumed", "device.removed"]
    assert await town.events(id) == told


async def test_five_wrong_codes_in_a_row_lock_for_ten_minutes(town: Town) -> None:
    one = await bound(town)
    id = one.device.id
    assert await town.write(note_wrong, [id, id, id]) == set()
    assert await town.write(note_wrong, [id]) == set()
    assert not (await now(town, one)).is_locked(town.clock.now())
    assert await town.write(note_wrong, [id]) == {id}
    locked = await now(town, one)
    assert locked.is_locked(town.clock.now() + timedelta(minutes=9, seconds=59))
    assert not locked.is_locked(town.clock.now() + timedelta(minutes=10))
    # Tries while it is locked do not keep it locked.
    town.later(minutes=5)
    assert await town.write(note_wrong, [id] * 10) == set()
    town.later(minutes=5)
    assert not (await now(town, one)).is_locked(town.clock.now())
    assert await town.write(note_wrong, [id] * 4) == set()
    assert await town.write(note_wrong, [id, new_id()]) == {id}
    assert await town.events(id) == ["device.registered", "device.locked", "device.locked"]
    assert await town.write(note_wrong, []) == set()


async def test_a_right_code_forgives_the_wrong_ones_before_it(town: Town) -> None:
    one = await bound(town)
    id = one.device.id
    await town.write(note_wrong, [id] * 4)
    assert await town.write(use_codes, [(id, 1, 0)]) == {(id, 1, 0)}
    assert await town.write(note_wrong, [id] * 4) == set()
    # A code spent before forgives nothing.
    assert await town.write(use_codes, [(id, 1, 0)]) == set()
    assert await town.write(note_wrong, [id]) == {id}


async def test_a_code_is_good_once(town: Town) -> None:
    id = (await bound(town)).device.id
    other = (await bound(town)).device.id
    assert await town.write(use_codes, [(id, 100, 0), (id, 100, 0)]) == {(id, 100, 0)}
    assert await town.write(use_codes, [(id, 100, 0), (other, 100, 0)]) == {(other, 100, 0)}
    assert await town.write(use_codes, []) == set()


async def test_the_next_code_of_an_honest_device_differs_in_its_step_alone(town: Town) -> None:
    id = (await bound(town)).device.id
    for code in ((id, 100, 0), (id, 101, 0), (id, 99, 0), (id, 100, 1)):
        assert await town.write(use_codes, [code]) == {code}
    for code in ((id, 100, 0), (id, 101, 0), (id, 99, 0), (id, 100, 1)):
        assert await town.write(use_codes, [code]) == set()


async def test_spent_codes_are_forgotten_after_ten_minutes(town: Town) -> None:
    id = (await bound(town)).device.id
    await town.write(use_codes, [(id, 100, 0)])
    town.later(minutes=10)
    await town.write(forget_old_codes)
    assert await town.write(use_codes, [(id, 100, 0)]) == set()
    town.later(seconds=1)
    await town.write(forget_old_codes)
    assert await town.write(use_codes, [(id, 100, 0)]) == {(id, 100, 0)}
