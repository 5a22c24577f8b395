"""Safe: the vault of a book: its own schema, reached as its own role, and the turn to write there."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from feiqian.kernel.book import Book
from feiqian.kernel.database import Database
from feiqian.kernel.errors import Refused
from feiqian.kernel.ids import new_id
from feiqian.kernel.queries import load
from feiqian.vault.keys import KeyProvider, KeysOfOtherKind, VaultKeyMissing

queries = load(Path(__file__).parent)

CARDS_PER_KEY = 10_000
REMEMBERED_MAX = 1_000

T = TypeVar("T")


class NoVault(Refused):
    """No cards are kept here: this house has no vault. Set `vault.url` and start again."""

    code, status, zh = "no_vault", 409, "本机构未设卡库，不能保存银行卡；请配置 vault.url 后重启。"


@dataclass(frozen=True)
class Turn:
    """The right to write in a vault until the transaction ends. at: the book's moment."""

    vault: Vault
    connection: Any
    at: datetime

    async def note(self, who: str, act: str, why: str, card: UUID | None = None, result: str = "ok") -> None:
        """A line in the access log, committed with what it tells."""
        await queries.note(self.connection, at=self.at, who=who, act=act, why=why, card=card, result=result)


@dataclass
class Vault:
    """One book's cards. database: reached as the vault's role, with a pool of its own."""

    book: Book
    database: Database
    keys: KeyProvider
    cards_per_key: int = CARDS_PER_KEY
    _opened: dict[tuple[UUID, bytes], bytes] = field(default_factory=dict, repr=False)

    async def open(self) -> None:
        """Connect, and see that every data key can be opened.

        Raises: KeysOfOtherKind, VaultKeyMissing, BadVaultKeys, Unavailable.
        """
        if self.keys.kind != self.book.kind:
            raise KeysOfOtherKind(book=self.book.name)
        await self.database.open()
        async with self.database.read() as connection:
            for row in await queries.groups(connection):
                self.data_key(row["id"], row["kek"], row["wrapped"])

    async def close(self) -> None:
        """Let the database go, and forget the keys."""
        self._opened.clear()
        await self.database.close()

    async def write(self, work: Callable[[Turn], Awaitable[T]]) -> T:
        """Run work in one turn and one transaction; as with Book.write, work may have to run twice."""

        async def take_turn(connection: Any) -> T:
            await queries.turn(connection)
            return await work(Turn(self, connection, self.book.clock.now()))

        return await self.database.run(take_turn)

    @property
    def look_up_key(self) -> bytes:
        """The key of the hashes by which a number is found again; of this book alone."""
        return self.keys.derive(b"feiqian vault card look-up " + self.database.schema.encode())

    def data_key(self, id: UUID, kek: str | None, wrapped: bytes | None) -> bytes | None:
        """The key behind a row of data_key; None once it is destroyed. Raises: VaultKeyMissing."""
        if wrapped is None or kek is None:
            return None
        known = self._opened.get((id, wrapped))
        if known is None:
            known = self.keys.unwrap(kek, wrapped, self.about(id))
            if len(self._opened) >= REMEMBERED_MAX:
                self._opened.clear()
            self._opened[id, wrapped] = known
        return known

    def forget(self, id: UUID) -> None:
        """Forget a data key that was opened; of one destroyed, nothing stays in this process."""
        for known in [each for each in self._opened if each[0] == id]:
            del self._opened[known]

    def about(self, id: UUID) -> bytes:
        """What a data key is wrapped with: it opens for this vault and this row only."""
        return b"data key " + self.database.schema.encode() + id.bytes


async def key_for_new(turn: Turn) -> tuple[UUID, bytes]:
    """The data key for a new card, counted. A full one is closed and the next one made."""
    vault, group = turn.vault, await queries.open_group(turn.connection)
    if group is None or group["cards"] >= vault.cards_per_key:
        await queries.close_groups(turn.connection)
        id, key = new_id(), secrets.token_bytes(32)
        kek, wrapped = vault.keys.wrap(key, vault.about(id))
        await queries.add_group(turn.connection, id=id, kek=kek, wrapped=wrapped, at=turn.at)
    else:
        id = group["id"]
        opened = vault.data_key(id, group["kek"], group["wrapped"])
        if opened is None:
            raise VaultKeyMissing(data_key=id.hex)
        key = opened
    await queries.count_card(turn.connection, id=id)
    return id, key
