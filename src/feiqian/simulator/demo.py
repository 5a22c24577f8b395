"""Demo: start everything, let the town live a day, prove its books, and keep serving.

The server is a process of its own, started as anybody would start it, so that what plays and what
serves share nothing but HTTP; only the proof at the end looks into the database.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from random import SystemRandom
from time import monotonic, perf_counter
from typing import cast

import msgspec

from feiqian import wiring
from feiqian.access import SCOPES, create
from feiqian.kernel.book import Book
from feiqian.kernel.errors import NotFound, Refused
from feiqian.kernel.ids import show
from feiqian.kernel.settings import Settings
from feiqian.proof import prove_book
from feiqian.proof.prove import queries
from feiqian.simulator.model import CUSTODY, FEES, Model, Purse
from feiqian.simulator.plan import make_plan
from feiqian.simulator.player import Keys, Player
from feiqian.simulator.report import Display, Outcome
from feiqian.simulator.start import Server
from feiqian.simulator.wire import Wire

BOOK = "town"
_TILL = ("payments:read", "payments:write", "refunds:write", "merchants:read")
_APP = ("payments:read", "wallets:pay", "transfers:write")


class NotSandbox(Refused):
    """There is a live book named town; the demo would have to make it anew. Rename it, or use other data."""

    code, status, zh = "not_sandbox", 409, "名为 town 的账簿是正式账簿，演示不能重建它，请使用其他数据目录。"


class Wish(msgspec.Struct, frozen=True):
    """What to play. seed: None takes one by chance. stays: serve on when the day is over."""

    people: int = 300
    shops: int = 60
    payments: int = 5_000
    seed: int | None = None
    stays: bool = False


async def demo(settings: Settings, server: Server, wish: Wish, display: Display, started: float) -> Outcome:
    """Play a day; with `stays`, serve on until SIGINT or SIGTERM. started: of this program, monotonic.

    Raises: NotSandbox, ServerNotReady, and what the database says when it cannot be reached.
    """
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ended.set)
    async with wiring.running(settings) as house:
        book = await _fresh_book(house)
        try:
            keys = await _keys(book)
            address = await server.begin()
            display.ready(address, keys.house, monotonic() - started)
            day = asyncio.ensure_future(_day(book, address, keys, wish, display))
            outcome = await _unless(ended, day)
            if outcome is None:
                display.cut_short()
                return Outcome.none()
            outcome.ready_seconds = display.ready_seconds
            display.summary(outcome, address, keys.house)
            if wish.stays:
                await ended.wait()
            return outcome
        finally:
            # Before the database: the server finishes what is under way, and needs it for that.
            await asyncio.to_thread(server.stop)
            await book.database.close()


async def _unless(ended: asyncio.Event, day: asyncio.Future[Outcome]) -> Outcome | None:
    """The day's outcome, or None when somebody wants to stop before it is over."""
    stop: asyncio.Future[object] = asyncio.ensure_future(ended.wait())
    both: list[asyncio.Future[object]] = [cast("asyncio.Future[object]", day), stop]
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if day.done():
        return day.result()
    day.cancel()
    with suppress(asyncio.CancelledError):
        await day
    return None


async def _fresh_book(house: wiring.Running) -> Book:
    # Not the books: the town of an older version is dropped as it is.
    await house.registry.prepare()
    if any(record.name == BOOK for record in await house.registry.books()):
        try:
            await house.registry.drop(BOOK)
        except NotFound:
            raise NotSandbox(book=BOOK) from None
    await house.registry.create(BOOK, "sandbox")
    return await house.open_book(BOOK)


async def _keys(book: Book) -> Keys:
    made = []
    for name, scopes in (("house", tuple(SCOPES)), ("tills", _TILL), ("app", _APP)):
        _, secret = await book.write(lambda turn, n=name, s=scopes: create(turn, n, s))  # type: ignore[misc]
        made.append(secret)
    return Keys(*made)


async def _day(book: Book, address: str, keys: Keys, wish: Wish, display: Display) -> Outcome:
    seed = SystemRandom().randrange(10**9) if wish.seed is None else wish.seed
    plan = make_plan(seed, wish.people, wish.shops, wish.payments)
    model, wire = Model(), Wire(address)
    player = Player(plan, wire, keys, model, display.advanced)
    try:
        display.phase(f"moving in (seed {seed})", len(plan.town.people) + len(plan.town.shops))
        await player.settle_in()
        display.phase("06:00", sum(1 for _ in plan.acts()))
        wire.times.clear()
        began = perf_counter()
        for hour in plan.hours:
            await player.turn_to(hour.hour)
            display.at(f"{hour.hour:02d}:00")
            await player.play(hour.first)
            await player.play(hour.acts)
        await player.turn_to(24)
        await player.lapsed()
        seconds = perf_counter() - began
        display.at("comparing")
        times = sorted(wire.times)
        model.compare_purses(await player.balances(), "API")
    finally:
        await wire.close()
    await compare(book, player, model)
    display.at("proving")
    proof = await prove_book(book)
    outcome = Outcome(plan, model, proof, seconds, times, player.lost, player.repeats)
    first = plan.town.people[0]
    outcome.look = {
        f"the day of {first.name}, newest first": f"/v1/wallets/{player.customers[0].wallet}/entries?limit=5",
        "the last payments": "/v1/payments?limit=3",
    }
    return outcome


async def compare(book: Book, player: Player, model: Model) -> None:
    """Set the database against the model: every wallet, every payment, every refund."""
    async with book.database.read() as connection:
        wallets = await queries.wallets(connection)
        payments = await connection.fetch(
            "select id, kind, captured, refunded, held from payment where state <> 'refused'"
        )
    model.compare_purses(_purses(player, wallets), "database")
    model.compare_payments(
        {
            show("pay", row["id"]): (row["captured"], row["refunded"], row["held"])
            for row in payments
            if row["kind"] != "refund"
        }
    )
    model.compare_refunds(
        {show("rfd", row["id"]): row["captured"] for row in payments if row["kind"] == "refund"}
    )


def _purses(player: Player, rows: Sequence[Mapping[str, object]]) -> dict[Purse, int]:
    whose: dict[str, Purse] = {customer.wallet: ("person", n) for n, customer in enumerate(player.customers)}
    whose |= {counter.merchant: ("shop", n) for n, counter in enumerate(player.counters)}
    found: dict[Purse, int] = {}
    for row in rows:
        kind = str(row["kind"])
        balance = int(row["credits_posted"]) - int(row["debits_posted"])  # type: ignore[call-overload]
        if kind in ("custody", "fee_income"):
            found[CUSTODY if kind == "custody" else FEES] = balance
        elif kind == "merchant_payable":
            found[whose[show("mch", row["owner"])]] = balance  # type: ignore[arg-type]
        else:
            found[whose[show("wal", row["id"])]] = balance  # type: ignore[arg-type]
    return found
