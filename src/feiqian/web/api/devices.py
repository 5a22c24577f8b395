"""Devices: the phones and watches that make a customer's payment codes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath, JSONBody

from feiqian.instruments.device import (
    Device,
    DeviceRemoved,
    NewDevice,
    devices_of,
    find_device,
    remove,
    resume,
    suspend,
)
from feiqian.instruments.wallet import WalletClosed, WalletFrozen, WalletSuspended
from feiqian.kernel.book import Turn
from feiqian.kernel.errors import NotFound
from feiqian.kernel.ids import as_id, read
from feiqian.parties import find_party
from feiqian.web.api.shapes import Id, Page, once
from feiqian.web.caller import book_of
from feiqian.web.show_people import DeviceView, NewDeviceView, show_device

_READ: dict[str, Any] = {"scope": "customers:read", "operator": True}
_WRITE: dict[str, Any] = {"scope": "customers:write", "operator": True}


class DeviceIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device to register. wallet: what its codes pay from. code_class: how it proves the owner's will."""

    wallet: Id
    code_class: Literal["a", "b", "c"] = "c"


@post(
    "/v1/customers/{customer_id:str}/devices",
    opt=_WRITE | {"refuses": (WalletFrozen, WalletClosed, WalletSuspended)},
    tags=["devices"],
)
async def create_device(
    request: Request[Any, Any, Any], customer_id: FromPath[str], data: JSONBody[DeviceIn]
) -> Response[NewDeviceView]:
    """Register a device for a customer's wallet. The secret is shown this once."""
    async with book_of(request).database.read() as connection:
        party = await _person(connection, customer_id)
    device = NewDevice(party, as_id(read("wal", data.wallet, "wallet")), data.code_class)
    return await once(request, "devices", None, data, device)


@get("/v1/customers/{customer_id:str}/devices", opt=_READ, tags=["devices"])
async def list_devices(request: Request[Any, Any, Any], customer_id: FromPath[str]) -> Page[DeviceView]:
    """List all devices a customer ever had, the oldest first."""
    async with book_of(request).database.read() as connection:
        id = await _person(connection, customer_id)
        return Page([show_device(each) for each in await devices_of(connection, id)], False)


@get("/v1/devices/{device_id:str}", opt=_READ, tags=["devices"])
async def get_device(request: Request[Any, Any, Any], device_id: FromPath[str]) -> DeviceView:
    """See one device. Its secret is never shown again."""
    id = as_id(read("dev", device_id, "device_id"))
    async with book_of(request).database.read() as connection:
        return show_device(await find_device(connection, id))


@post(
    "/v1/devices/{device_id:str}/suspend",
    opt=_WRITE | {"refuses": (DeviceRemoved,)},
    tags=["devices"],
    status_code=200,
)
async def suspend_device(request: Request[Any, Any, Any], device_id: FromPath[str]) -> DeviceView:
    """Refuse a device's codes until it is resumed: it is lost, perhaps."""
    return await _change(request, device_id, suspend)


@post(
    "/v1/devices/{device_id:str}/resume",
    opt=_WRITE | {"refuses": (DeviceRemoved,)},
    tags=["devices"],
    status_code=200,
)
async def resume_device(request: Request[Any, Any, Any], device_id: FromPath[str]) -> DeviceView:
    """Take a suspended device's codes again."""
    return await _change(request, device_id, resume)


@post("/v1/devices/{device_id:str}/remove", opt=_WRITE, tags=["devices"], status_code=200)
async def remove_device(request: Request[Any, Any, Any], device_id: FromPath[str]) -> DeviceView:
    """Unbind a device for good and forget its secret."""
    return await _change(request, device_id, remove)


async def _person(connection: Any, customer_id: str) -> UUID:
    """The id of a customer who exists. Raises: NotFound, also for an organisation's."""
    party = await find_party(connection, as_id(read("cus", customer_id, "customer_id")))
    if party.kind != "person":
        raise NotFound("customer_id")
    return party.id


async def _change(
    request: Request[Any, Any, Any], device_id: str, verb: Callable[[Turn, Any], Awaitable[Device]]
) -> DeviceView:
    id = as_id(read("dev", device_id, "device_id"))
    return show_device(await book_of(request).write(lambda turn: verb(turn, id)))


ROUTES = [create_device, list_devices, get_device, suspend_device, resume_device, remove_device]
