"""Device: a phone or watch that makes payment codes; its secret, its wrong codes and its spent ones.

A code is spent by (device, time step, counter). The steps beside it are not spent with it. A device
begins every step with counter 0, so the next code of an honest rider may differ in its step alone,
and spending neighbours would refuse it. Nor would that end all reuse: the digits of a spent code may
match any later step as any seven digits may. So a replay has what a guess has, about 1 chance in
10**7 for each step that becomes current, while the code itself passes once and never again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec

from feiqian.instruments.wallet import Wallet, queries, resolve
from feiqian.kernel.book import Turn
from feiqian.kernel.errors import NotFound, Refused
from feiqian.kernel.ids import new_id, show
from feiqian.kernel.outbox import Outbox
from feiqian.kernel.secret import SealingKeys, open_sealed, seal

CodeClass = Literal["a", "b", "c"]
DeviceState = Literal["active", "suspended", "removed"]
Code = tuple[UUID, int, int]
"""What a code spends: device id, time step, counter."""

SECRET_BYTES = 32
WRONG_CODES_MAX = 5
LOCKED_FOR = timedelta(minutes=10)
CODES_KEPT_FOR = timedelta(minutes=10)  # a code lives about one; the rest is for clocks that step back

_TOLD = {"suspended": "device.suspended", "active": "device.resumed", "removed": "device.removed"}


class DeviceRemoved(Refused):
    """This device was removed. Register it again to get a new secret."""

    code, status, zh = "device_removed", 409, "该设备已解绑，请重新绑定以获取新的密钥。"


class BadCodeClass(Refused):
    """Codes made on a device are of class a, b or c."""

    code, status, zh = "bad_code_class", 422, "设备付款码的等级须为 a、b 或 c。"


class Device(msgspec.Struct, frozen=True):
    """A device as it stands. alias: nine digits. sealed: its secret, which only device_secret opens."""

    id: UUID
    party: UUID
    wallet: UUID
    alias: str
    code_class: CodeClass
    state: DeviceState
    wrong_codes: int
    locked_until: datetime | None
    created_at: datetime
    sealed: bytes

    def is_locked(self, at: datetime) -> bool:
        """Whether its codes are refused for a while, right or wrong, after too many wrong ones."""
        return self.locked_until is not None and at < self.locked_until


def random_secret() -> bytes:
    """A secret nobody can guess."""
    return secrets.token_bytes(SECRET_BYTES)


class NewDevice(msgspec.Struct, frozen=True):
    """A device to register for a party's wallet.

    id, secret: ours, never a caller's; made here so that the same registration run twice is one.
    """

    party: UUID
    wallet: UUID
    code_class: CodeClass = "c"
    id: UUID = msgspec.field(default_factory=new_id)
    secret: bytes = msgspec.field(default_factory=random_secret)

    def __repr__(self) -> str:
        return f"NewDevice(id={self.id}, party={self.party}, wallet={self.wallet})"


class IssuedDevice(msgspec.Struct, frozen=True):
    """A registered device and its secret, which is told to the device this once."""

    device: Device
    secret: bytes

    def __repr__(self) -> str:
        return f"IssuedDevice({self.device!r})"


def random_alias() -> str:
    """Nine random digits."""
    return f"{secrets.randbelow(10**9):09d}"


async def register(
    turn: Turn,
    asked: Sequence[NewDevice],
    keys: SealingKeys,
    chance: Callable[[], str] = random_alias,
) -> list[IssuedDevice | Refused]:
    """Register devices, each with an alias of its own and a secret. -> one answer each, in order.

    chance: makes aliases to try until one is free.
    Refuses: NotFound for a wallet that is not the party's; WalletFrozen, WalletClosed, WalletSuspended;
    BadCodeClass.
    """
    wallets = await resolve(turn, [one.wallet for one in asked])
    known = await find_devices(turn.connection, [one.id for one in asked])
    answers: list[IssuedDevice | Refused | NewDevice] = [
        IssuedDevice(known[one.id], one.secret) if one.id in known else _welcome(one, wallets)
        for one in asked
    ]
    aliases = await _free_aliases(turn, sum(isinstance(one, NewDevice) for one in answers), chance)
    issued = []
    for n, one in enumerate(answers):
        if isinstance(one, NewDevice):
            issued.append(_issue(turn, one, aliases.pop(), keys))
            answers[n] = issued[-1]
    await _store(turn, [one.device for one in issued])
    return [one for one in answers if not isinstance(one, NewDevice)]


def _welcome(one: NewDevice, wallets: dict[UUID, Wallet]) -> NewDevice | Refused:
    wallet = wallets.get(one.wallet)
    if wallet is None or wallet.owner != one.party or not wallet.is_customers:
        return NotFound("wallet")
    if one.code_class not in ("a", "b", "c"):
        return BadCodeClass("code_class")
    try:
        wallet.check_gives()
    except Refused as refusal:
        return refusal
    return one


async def _free_aliases(turn: Turn, count: int, chance: Callable[[], str]) -> list[str]:
    """So many aliases that nobody has or ever had."""
    free: set[str] = set()
    while len(free) < count:
        tried = {chance() for _ in range(count - len(free))}
        rows = await queries.aliases_taken(turn.connection, aliases=list(tried))
        free |= tried - {row["alias"] for row in rows}
    return list(free)


def _issue(turn: Turn, one: NewDevice, alias: str, keys: SealingKeys) -> IssuedDevice:
    sealed = seal(keys, one.secret, one.id.bytes)
    device = Device(one.id, one.party, one.wallet, alias, one.code_class, "active", 0, None, turn.at, sealed)
    return IssuedDevice(device, one.secret)


async def _store(turn: Turn, devices: Sequence[Device]) -> None:
    if not devices:
        return
    await queries.add_devices(
        turn.connection,
        ids=[device.id for device in devices],
        parties=[device.party for device in devices],
        wallets=[device.wallet for device in devices],
        aliases=[device.alias for device in devices],
        secrets=[device.sealed for device in devices],
        classes=[device.code_class for device in devices],
        at=turn.at,
    )
    await _tell(turn, "device.registered", devices)
    for one in devices:
        _note(turn, "device.registered", one)


def device_secret(device: Device, keys: SealingKeys) -> bytes:
    """The 32 bytes shared with the device. Raises: SealBroken, also for a removed device."""
    return open_sealed(keys, device.sealed, device.id.bytes)


async def suspend(turn: Turn, id: UUID) -> Device:
    """Refuse the device's codes until it is resumed: it is lost, perhaps. Raises: NotFound, DeviceRemoved."""
    return await _change(turn, id, "suspended")


async def resume(turn: Turn, id: UUID) -> Device:
    """Take the device's codes again. Raises: NotFound, DeviceRemoved."""
    return await _change(turn, id, "active")


async def remove(turn: Turn, id: UUID) -> Device:
    """Unbind the device for good and forget its secret. Raises: NotFound."""
    return await _change(turn, id, "removed")


async def _change(turn: Turn, id: UUID, state: DeviceState) -> Device:
    before = await find_device(turn.connection, id)
    if before.state == state:
        return before
    if before.state == "removed":
        raise DeviceRemoved
    if state == "removed":
        await queries.remove_device(turn.connection, id=id)
        after = msgspec.structs.replace(before, state=state, sealed=b"")
    else:
        await queries.set_device_state(turn.connection, id=id, state=state)
        after = msgspec.structs.replace(before, state=state)
    await _tell(turn, _TOLD[state], [after])
    _note(turn, _TOLD[state], after, before)
    return after


async def find_device(connection: Any, id: UUID) -> Device:
    """The device of that id. Raises: NotFound."""
    found = (await find_devices(connection, [id])).get(id)
    if found is None:
        raise NotFound
    return found


async def find_devices(connection: Any, ids: Iterable[UUID]) -> dict[UUID, Device]:
    """Devices by id; ids that do not exist are left out."""
    rows = await queries.devices_by_id(connection, ids=list(set(ids)))
    return {row["id"]: Device(*row) for row in rows}


async def devices_of(connection: Any, party: UUID) -> list[Device]:
    """All devices a party ever had, the oldest first."""
    return [Device(*row) for row in await queries.devices_of_party(connection, party=party)]


async def devices_by_alias(connection: Any, aliases: Iterable[str]) -> dict[str, Device]:
    """Devices whose codes may be taken, by alias; suspended and removed ones are left out as unknown."""
    rows = await queries.devices_by_alias(connection, aliases=list(set(aliases)))
    return {row["alias"]: Device(*row) for row in rows}


async def note_wrong(turn: Turn, ids: Sequence[UUID]) -> set[UUID]:
    """Count a wrong code for each device named, as often as it is named. -> those locked by that.

    The fifth in a row locks the device's codes for ten minutes. While it is locked nothing counts, so
    that nobody who merely knows an alias can keep it locked without pause.
    """
    if not ids:
        return set()
    rows = await queries.count_wrong(
        turn.connection, ids=list(ids), most=WRONG_CODES_MAX, until=turn.at + LOCKED_FOR, at=turn.at
    )
    locked = {row["id"] for row in rows if row["is_locked"]}
    if locked:
        found = await find_devices(turn.connection, locked)
        await _tell(turn, "device.locked", list(found.values()))
        for one in found.values():
            _note(turn, "device.locked", one)
    return locked


async def use_codes(turn: Turn, codes: Sequence[Code]) -> set[Code]:
    """Spend codes. -> those that were not spent before; each device with one has its wrong codes forgiven.

    A code named twice in one call is spent once and stands in the answer once: whoever takes it first
    must `remove` it from the set.
    """
    if not codes:
        return set()
    rows = await queries.use_codes(
        turn.connection,
        devices=[device for device, _, _ in codes],
        steps=[step for _, step, _ in codes],
        counters=[counter for _, _, counter in codes],
        at=turn.at,
    )
    return {(row["device"], row["step"], row["counter"]) for row in rows}


async def forget_old_codes(turn: Turn) -> None:
    """Delete spent codes of more than ten minutes ago: no step of theirs can pass any more."""
    await queries.forget_old_codes(turn.connection, before=turn.at - CODES_KEPT_FOR)


def _note(turn: Turn, verb: str, device: Device, before: Device | None = None) -> None:
    ids = show("dev", device.id), show("cus", device.party), show("wal", device.wallet)
    was = None if before is None else {"state": before.state}
    turn.note(
        verb, *ids, of=device.id, before=was, after={"state": device.state, "code_class": device.code_class}
    )


async def _tell(turn: Turn, type: str, devices: Sequence[Device]) -> None:
    """Events name no alias: with it anybody could try codes."""
    outbox = Outbox()
    for one in devices:
        shown = {
            "id": show("dev", one.id),
            "customer": show("cus", one.party),
            "wallet": show("wal", one.wallet),
            "code_class": one.code_class,
            "state": one.state,
        }
        outbox.tell(type, one.id, one.party, {"device": shown})
    await outbox.write(turn)
