"""The house: what one server process holds open: its books, their keys, and the doors to their verbs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from feiqian.access import ApiKey, Keyring, Unauthenticated
from feiqian.kernel.book import Book, Turn
from feiqian.kernel.errors import Refused
from feiqian.payments import Payment, cancel, capture, refund
from feiqian.payments.view import show_payment
from feiqian.scenes.deposit import deposit
from feiqian.scenes.shop.charge import charge
from feiqian.scenes.shop.counter import ring_up
from feiqian.scenes.shop.pay import pay
from feiqian.scenes.transfer import send
from feiqian.web.once import Once
from feiqian.web.problem import encode, problem, refusal_of
from feiqian.web.show import show_purchases

_JSON = msgspec.json.Encoder()


class Doors:
    """One book's verbs that move money, each behind a door where requests gather and happen once."""

    def __init__(self, book: Book, most: int) -> None:
        self.ring_up: Once[Any, Any] = Once(book, "ring_up", ring_up, _render_purchases, most)
        self.charge: Once[Any, Any] = Once(book, "charge", charge, _render_purchases, most)
        self.pay: Once[Any, Any] = Once(book, "pay", pay, _render_purchases, most)
        self.capture: Once[Any, Any] = Once(book, "capture", capture, _render_changed, most)
        self.cancel: Once[Any, Any] = Once(book, "cancel", cancel, _render_changed, most)
        self.refund: Once[Any, Any] = Once(book, "refund", refund, _render_made, most)
        self.send: Once[Any, Any] = Once(book, "send", send, _render_made, most)
        self.deposit: Once[Any, Any] = Once(book, "deposit", deposit, _render_made, most)

    async def drained(self) -> None:
        """Wait until no request is under way."""
        for door in vars(self).values():
            await door.drained()


class House:
    """Books open in this process."""

    def __init__(self, books: Sequence[Book], batch_most: int = 500) -> None:
        self.books = {book.name: book for book in books}
        self.doors = {book.name: Doors(book, batch_most) for book in books}
        self._keyrings = {book.name: Keyring(book) for book in books}

    async def open(self) -> None:
        """Start to listen for changes of keys."""
        for keyring in self._keyrings.values():
            await keyring.open()

    async def close(self) -> None:
        """Finish what is under way, then let the databases go."""
        for doors in self.doors.values():
            await doors.drained()
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


async def _render_made(
    turn: Turn, results: Sequence[Any], languages: Sequence[str]
) -> list[tuple[int, bytes]]:
    return [_payment(201, result, language) for result, language in zip(results, languages, strict=True)]


async def _render_changed(
    turn: Turn, results: Sequence[Any], languages: Sequence[str]
) -> list[tuple[int, bytes]]:
    return [_payment(200, result, language) for result, language in zip(results, languages, strict=True)]


async def _render_purchases(
    turn: Turn, results: Sequence[Any], languages: Sequence[str]
) -> list[tuple[int, bytes]]:
    good = [each for each in results if not isinstance(each, Refused)]
    shown = iter(await show_purchases(turn.connection, [_pair(each) for each in good], turn))
    answers = []
    for result, language in zip(results, languages, strict=True):
        if isinstance(result, Refused):
            answers.append(_payment(201, result, language))
            continue
        view = next(shown)
        _, payment = _pair(result)
        if payment is not None and payment.state == "refused":
            answers.append(_payment(201, payment, language))
        else:
            answers.append((201, _JSON.encode(view)))
    return answers


def _pair(result: Any) -> tuple[Any, Payment | None]:
    return result if isinstance(result, tuple) else (result, None)


def _payment(status: int, result: Payment | Refused, language: str) -> tuple[int, bytes]:
    if isinstance(result, Refused):
        return result.status, encode(problem(result, language))
    if result.state == "refused":
        error = refusal_of(result)
        return error.status, encode(problem(error, language, payment=result.id))
    return status, _JSON.encode(show_payment(result))
