"""Proof: that a factor was shown, by whom, when and about what; and what the customer was shown."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Literal
from uuid import UUID

import msgspec

from feiqian.kernel.book import Book
from feiqian.kernel.errors import Broken, Refused
from feiqian.kernel.money import Money
from feiqian.kernel.queries import load
from feiqian.kernel.secret import SealingKeys

queries = load(Path(__file__).parent)

Factor = Literal["password", "pin", "totp", "ocra", "sms", "passkey"]


class WrongFactor(Refused):
    """This is not right, or no longer good. Try again; only a few tries are given."""

    code, status, zh = "wrong_factor", 422, "验证未通过或已失效，请重试；可尝试次数有限。"


class NothingSealed(Broken):
    """This book has no sealing keys, so it can keep no secrets. Open it through wiring."""

    code, zh = "nothing_sealed", "该账簿没有封存密钥，无法保存机密，请通过 wiring 打开账簿。"


class Proof(msgspec.Struct, frozen=True):
    """A factor that was shown. about: SHA-256 of what was confirmed; None when it proves presence only."""

    party: UUID
    factor: Factor
    at: datetime
    about: bytes | None = None


class Shown(msgspec.Struct, frozen=True):
    """What a customer sees and confirms. subject: the one thing it is about, such as an order's subject."""

    subject: UUID
    amount: Money
    payee: UUID

    def digest(self) -> bytes:
        """32 bytes that stand for exactly this."""
        parts = (
            b"feiqian shown 1",
            self.subject.bytes,
            str(self.amount.minor).encode(),
            self.amount.currency.encode(),
            self.payee.bytes,
        )
        # Each with its length, so that no two lists of parts read the same.
        return hashlib.sha256(b"".join(len(part).to_bytes(2, "big") + part for part in parts)).digest()


def sealing_of(book: Book) -> SealingKeys:
    """The book's sealing keys. Raises: NothingSealed."""
    if book.sealing is None:
        raise NothingSealed(book=book.name)
    return book.sealing
