"""The house: what one server process holds open: its books, their keys, and the doors to their verbs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from feiqian.access import ApiKey, Keyring, Unauthenticated
from feiqian.instruments.device import NewDevice
from feiqian.instruments.device import register as register_devices
from feiqian.instruments.welcome import Newcomer, welcome
from feiqian.kernel.audit.recorder import Recorder
from feiqian.kernel.book import Book, Turn
from feiqian.kernel.errors import Broken, Refused, revive
from feiqian.merchants import add_cashiers, add_stores, add_terminals, register
from feiqian.payments import Payment, cancel, capture, refund
from feiqian.payments.view import show_payment
from feiqian.scenes.deposit import deposit
from feiqian.scenes.deposit.deposit import subject
from feiqian.scenes.shop.charge import charge
from feiqian.scenes.shop.counter import ring_up
from feiqian.scenes.shop.pay import pay
from feiqian.scenes.transfer import send
from feiqian.vault import Vault
from feiqian.web.once import Once
from feiqian.web.problem import Asker, encode, problem
from feiqian.web.show import show_purchases
from feiqian.web.show_people import show_new_device, show_parties
from feiqian.web.show_trade import show_cashier, show_merchants, show_store, show_terminal

Render = Callable[[Turn, Sequence[Any], Sequence[Asker]], Awaitable[Sequence[tuple[int, bytes]]]]

_JSON = msgspec.json.Encoder()


class Doors:
    """One book's verbs that many ask for at once, each behind a door where requests happen once."""

    def __init__(self, book: Book, most: int) -> None:
        self.ring_up: Once[Any, Any] = Once(book, "ring_up", ring_up, _render_purchases, most)
        self.charge: Once[Any, Any] = Once(book, "charge", charge, _render_purchases, most)
        self.pay: Once[Any, Any] = Once(book, "pay", pay, _render_purchases, most)
        self.capture: Once[Any, Any] = Once(book, "capture", capture, _render_changed, most)
        self.cancel: Once[Any, Any] = Once(book, "cancel", cancel, _render_changed, most)
        self.refund: Once[Any, Any] = Once(book, "refund", refund, _render_made, most, _id)
        self.send: Once[Any, Any] = Once(book, "send", send, _render_made, most)
        self.deposit: Once[Any, Any] = Once(book, "deposit", deposit, _render_made, most, subject)
        self.welcome: Once[Any, Any] = Once(book, "welcome", welcome, _rendered(_parties), most, _party_id)
        self.merchants: Once[Any, Any] = Once(book, "merchants", register, _rendered(_merchants), most, _id)
        self.stores: Once[Any, Any] = Once(
            book, "stores", add_stores, _rendered(_each(show_store)), most, _id
        )
        self.cashiers: Once[Any, Any] = Once(
            book, "cashiers", add_cashiers, _rendered(_each(show_cashier)), most, _id
        )
        self.terminals: Once[Any, Any] = Once(
            book, "terminals", add_terminals, _rendered(_each(show_terminal)), most, _id
        )
        self.devices: Once[Any, Any] = Once(
            book, "devices", _register_devices, _rendered(_devices), most, _id
        )

    async def drained(self) -> None:
        """Wait until no request is under way."""
        for door in vars(self).values():
            await door.drained()


class House:
    """Books open in this process."""

    def __init__(
        self, books: Sequence[Book], batch_most: int = 500, vaults: Mapping[str, Vault] | None = None
    ) -> None:
        """vaults: by the name of the book whose cards they keep."""
        self.books = {book.name: book for book in books}
        self.vaults = dict(vaults or {})
        self.doors = {book.name: Doors(book, batch_most) for book in books}
        self.recorders = {book.name: Recorder(book) for book in books}
        self._keyrings = {book.name: Keyring(book) for book in books}

    async def open(self) -> None:
        """Start to listen for changes of keys."""
        for keyring in self._keyrings.values():
            await keyring.open()

    async def close(self) -> None:
        """Finish what is under way, then let the databases go."""
        for doors in self.doors.values():
            await doors.drained()
        for recorder in self.recorders.values():
            await recorder.drained()
        for vault in self.vaults.values():
            await vault.close()
        for book in self.books.values():
            await book.database.close()

    async def who(self, secret: str) -> tuple[Book, ApiKey]:
        """The book and key behind a secret. Raises: Unauthenticated."""
        for name, keyring in self._keyrings.items():
            try:
                return self.books[name], await keyring.check(secret)
            except Unauthenticated:
                continue
        raise Unauthenticated()

    async def heard(self, book: Book) -> None:
        """Return when changes of keys committed before this call hold in this process too."""
        await self._keyrings[book.name].catch_up()


def _rendered(show: Callable[[Turn, Sequence[Any]], Awaitable[Sequence[Any]]]) -> Render:
    """Answers for what was newly made: its view, or the problem."""

    async def render(turn: Turn, results: Sequence[Any], askers: Sequence[Asker]) -> list[tuple[int, bytes]]:
        shown = iter(await show(turn, [each for each in results if not isinstance(each, Refused)]))
        return [
            (each.status, encode(problem(each, asker)))
            if isinstance(each, Refused)
            else (201, _JSON.encode(next(shown)))
            for each, asker in zip(results, askers, strict=True)
        ]

    return render


def _id(command: Any) -> UUID:
    id: UUID = command.id
    return id


def _party_id(newcomer: Newcomer) -> UUID:
    return newcomer.party.id


def _each(show: Callable[[Any], Any]) -> Callable[[Turn, Sequence[Any]], Awaitable[Sequence[Any]]]:
    async def shown(turn: Turn, made: Sequence[Any]) -> Sequence[Any]:
        return [show(one) for one in made]

    return shown


async def _parties(turn: Turn, made: Sequence[Any]) -> Sequence[Any]:
    return await show_parties(turn.connection, made, turn.at)


async def _merchants(turn: Turn, made: Sequence[Any]) -> Sequence[Any]:
    return await show_merchants(turn.connection, made, turn.at)


async def _devices(turn: Turn, made: Sequence[Any]) -> Sequence[Any]:
    return [show_new_device(one, turn.book.codes.prefix) for one in made]


async def _register_devices(turn: Turn, asked: Sequence[NewDevice]) -> Sequence[Any]:
    if turn.book.sealing is None:
        raise Broken(sealing_keys="missing")
    return await register_devices(turn, asked, turn.book.sealing)


async def _render_made(
    turn: Turn, results: Sequence[Any], askers: Sequence[Asker]
) -> list[tuple[int, bytes]]:
    return [_payment(201, result, asker) for result, asker in zip(results, askers, strict=True)]


async def _render_changed(
    turn: Turn, results: Sequence[Any], askers: Sequence[Asker]
) -> list[tuple[int, bytes]]:
    return [_payment(200, result, asker) for result, asker in zip(results, askers, strict=True)]


async def _render_purchases(
    turn: Turn, results: Sequence[Any], askers: Sequence[Asker]
) -> list[tuple[int, bytes]]:
    good = [each for each in results if not isinstance(each, Refused)]
    shown = iter(await show_purchases(turn.connection, [_pair(each) for each in good], turn))
    answers = []
    for result, asker in zip(results, askers, strict=True):
        if isinstance(result, Refused):
            answers.append(_payment(201, result, asker))
            continue
        view = next(shown)
        _, payment = _pair(result)
        if payment is not None and payment.state == "refused":
            answers.append(_payment(201, payment, asker))
        else:
            answers.append((201, _JSON.encode(view)))
    return answers


def _pair(result: Any) -> tuple[Any, Payment | None]:
    return result if isinstance(result, tuple) else (result, None)


def _payment(status: int, result: Payment | Refused, asker: Asker) -> tuple[int, bytes]:
    if isinstance(result, Refused):
        return result.status, encode(problem(result, asker))
    if result.state == "refused":
        error = revive(result.refusal or {})
        return error.status, encode(problem(error, asker, payment=result.id))
    return status, _JSON.encode(show_payment(result))
