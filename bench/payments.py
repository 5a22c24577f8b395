"""Payments over HTTP: a cashier scans a customer's code, against the same server's do-nothing route.

The server is `feiqian serve` in a process of its own, as in earnest; client, server and PostgreSQL
share the same cores.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from bench.client import Connection, connect, drive, head
from bench.harness import Lab, Line, Lines, Side, in_turns, percentile, ratio
from feiqian.access import SCOPES, create
from feiqian.instruments.device import IssuedDevice, NewDevice
from feiqian.instruments.device import register as register_devices
from feiqian.instruments.wallet import open_wallets
from feiqian.kernel.book import Book
from feiqian.kernel.errors import Refused
from feiqian.kernel.ids import show
from feiqian.kernel.money import Money
from feiqian.kernel.registry import Registry
from feiqian.kernel.secret import load_keys
from feiqian.merchants import NewMerchant, NewStore
from feiqian.merchants import register as register_merchants
from feiqian.merchants.stores import add_stores
from feiqian.parties import NewParty
from feiqian.parties import register as register_parties
from feiqian.pricing import Terms
from feiqian.scenes.deposit import Deposit, deposit
from feiqian.scenes.shop import payment_code
from feiqian.wiring import SCHEMAS

CONNECTIONS = 64
PEOPLE, SHOPS = 5_000, 60


@dataclass
class Town:
    """A book with people who can pay and shops to pay in, and a server over it."""

    key: str
    devices: list[IssuedDevice]
    stores: list[UUID]
    host: str = "127.0.0.1"
    port: int = 0
    pid: int = 0
    sent: int = 0
    shown: dict[str, int] = field(default_factory=dict)

    def charge(self, hot: bool) -> bytes:
        """A cashier's request with the next customer's code; every customer waits for a fresh one."""
        self.sent += 1
        device = self.devices[self.sent % len(self.devices)]
        store = self.stores[0 if hot else self.sent % len(self.stores)]
        alias = device.device.alias
        counter = self.shown[alias] = (self.shown.get(alias, -1) + 1) % 10
        code = payment_code.make(device.secret, alias, datetime.now(UTC), counter)
        body = (
            f'{{"store":"{show("sto", store)}","merchant_order_no":"B{self.sent}","payment_code":"{code}",'
            f'"amount":{{"amount":{1 + self.sent % 100},"currency":"CNY"}}}}'
        ).encode()
        return b"%b\r\nIdempotency-Key: b%d\r\nContent-Length: %d\r\n\r\n%b" % (
            head("POST", "/v1/purchases", self.key, "Content-Type: application/json"),
            self.sent,
            len(body),
            body,
        )

    def nothing(self) -> bytes:
        """The authenticated request that does nothing."""
        return head("GET", "/v1/me", self.key) + b"\r\n\r\n"

    def resident(self) -> float:
        """Megabytes of the server process in memory."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        return 0.0

    def cpu(self) -> float:
        """CPU seconds of the server process."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def http(lab: Lab) -> Lines:
    """Throughput with 64 connections, a hot shop, latency alone, and memory at the end."""
    async with town(lab) as street:
        connections = await connect(street.host, street.port, CONNECTIONS)
        batch = 500 if lab.quick else 2_000

        def side(name: str, request: object, wanted: int) -> Side:
            async def stretch(one: Side) -> None:
                cpu = street.cpu()
                async with lab.timed(one, batch):
                    one.calls_ms += await drive(connections, batch, request, wanted)  # type: ignore[arg-type]
                one.server_cpu += street.cpu() - cpu

            return Side(name, stretch)

        nothing = side("nothing_64", lambda _: street.nothing(), 200)
        spread = side("shops_64", lambda _: street.charge(False), 201)
        hot = side("hot_shop_64", lambda _: street.charge(True), 201)
        await in_turns(2 if lab.quick else 6, nothing, spread, hot)
        yield nothing.line("requests/s", "GET /v1/me")
        yield spread.line("payments/s", f"{SHOPS} shops, {PEOPLE} payers, server CPU with PostgreSQL")
        yield hot.line("payments/s", "one shop")
        yield ratio("payments_over_nothing", spread, nothing, 0.3)
        yield ratio("hot_over_spread", hot, spread, 0.8)
        p99 = percentile(spread.calls_ms, 99)
        yield Line(name="p99_64", value=round(p99, 2), unit="ms", target=150, met=p99 < 150)
        alone = await drive(connections[:1], 50 if lab.quick else 300, lambda _: street.charge(False), 201)
        p50 = percentile(alone, 50)
        yield Line(
            name="alone_p50",
            value=round(p50, 2),
            unit="ms",
            target=10,
            met=p50 < 10,
            p50_ms=round(p50, 2),
            p99_ms=round(percentile(alone, 99), 2),
        )
        resident = street.resident()
        yield Line(name="server_memory", value=round(resident, 1), unit="MB", target=150, met=resident < 150)
        for connection in connections:
            connection.close()


@asynccontextmanager
async def town(lab: Lab) -> AsyncIterator[Town]:
    """A settled book and `feiqian serve` over it, stopped at the end."""
    folder = lab.postgres.folder.parent / "house"
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    registry = Registry(lab.postgres.dsn, SCHEMAS)
    await registry.migrate()
    record = await registry.create("bench", "sandbox")
    book = await registry.open(record, sealing=load_keys(folder))
    street = await settle(book)
    await book.database.close()
    environment = dict(
        os.environ,
        FEIQIAN_DATABASE_URL=lab.postgres.dsn,
        FEIQIAN_DATA_DIR=str(folder),
        FEIQIAN_HTTP_PORT="0",
        FEIQIAN_HTTP_ACCESS_LOG="false",
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "feiqian", "serve", env=environment, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        address = (await asyncio.wait_for(process.stdout.readline(), 60)).decode().split()[-1]
        street.host, _, port = address.removeprefix("http://").partition(":")
        street.port = int(port)
        street.pid = process.pid
        await ready(street)
        yield street
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def ready(street: Town) -> None:
    """Wait until the server answers."""
    for _ in range(200):
        try:
            (connection,) = await connect(street.host, street.port, 1)
            status, _body = await connection.ask(street.nothing())
            connection.close()
        except OSError:
            status = 0
        if status == 200:
            return
        await asyncio.sleep(0.05)
    raise TimeoutError("the server does not answer")


async def settle(book: Book) -> Town:
    """People with money and devices, shops with a fee."""
    people = await book.write(
        lambda turn: register_parties(
            turn, [NewParty("person", f"Payer {n}", account_class=3) for n in range(PEOPLE)]
        )
    )
    owners = [party.id for party in people if not isinstance(party, Refused)]
    wallets = await book.write(
        lambda turn: open_wallets(turn, [(owner, "customer_wallet", "CNY") for owner in owners])
    )
    funds = [Deposit(wallet, Money(100_000_00, "CNY"), f"D{n}") for n, wallet in enumerate(wallets)]
    await book.write(lambda turn: deposit(turn, funds))
    sealing = book.sealing
    assert sealing is not None
    asked = [NewDevice(owner, wallet, "a") for owner, wallet in zip(owners, wallets, strict=True)]
    devices = await book.write(lambda turn: register_devices(turn, asked, sealing))
    merchants = await book.write(
        lambda turn: register_merchants(
            turn, [NewMerchant(f"Shop {n}", "5411", "Xi'an", terms=Terms(rate_bps=38)) for n in range(SHOPS)]
        )
    )
    stores = await book.write(
        lambda turn: add_stores(
            turn, [NewStore(shop.id, "Main") for shop in merchants if not isinstance(shop, Refused)]
        )
    )
    _, key = await book.write(lambda turn: create(turn, "bench", tuple(SCOPES)))
    return Town(
        key,
        [device for device in devices if not isinstance(device, Refused)],
        [store.id for store in stores if not isinstance(store, Refused)],
    )


MEASUREMENTS = {"http": http}

__all__ = ["MEASUREMENTS", "Connection"]
