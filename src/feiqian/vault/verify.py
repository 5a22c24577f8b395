"""Verify: decrypt every card, show that it is what its row says, and count; no number is shown."""

from __future__ import annotations

import hmac
from typing import Any
from uuid import UUID

import msgspec

from feiqian.kernel.errors import Broken
from feiqian.kernel.ids import show
from feiqian.vault.card import CardUnreadable, passes_luhn, shown_digits
from feiqian.vault.open import opened
from feiqian.vault.safe import Turn, Vault, queries
from feiqian.vault.seal import look_up_hash

_AT_ONCE = 500


class VaultProof(msgspec.Struct, frozen=True):
    """What a vault holds. readable: cards that opened to what their rows say. keys: data keys alive.

    unreadable: cards whose key was destroyed. exposed: the application's role can read the tables.
    """

    book: str
    readable: int
    unreadable: int
    keys: int
    destroyed_keys: int
    exposed: bool
    faults: list[str]

    @property
    def ok(self) -> bool:
        """Whether every card opens, and to nobody but the vault."""
        return not self.faults and not self.exposed


async def verify(vault: Vault, who: str) -> VaultProof:
    """Open every card there is. One line in the access log tells of it."""
    readable = unreadable = 0
    faults: list[str] = []
    after = UUID(int=0)
    look_up_key = vault.look_up_key
    while True:
        async with vault.database.read() as connection:
            rows = await queries.sealed_cards(connection, after=after, most=_AT_ONCE)
        if not rows:
            break
        for row in rows:
            fault = _fault(vault, row, look_up_key)
            if fault is None:
                readable += 1
            elif fault == CardUnreadable.code:
                unreadable += 1
            else:
                faults.append(f"{show('crd', row['id'])}: {fault}")
        after = rows[-1]["id"]

    async def note(turn: Turn) -> tuple[int, int]:
        groups = await queries.groups(turn.connection)
        await turn.note(who, "verify", "proof", result=f"{readable} readable, {len(faults)} faults")
        return len(groups), sum(row["wrapped"] is None for row in groups)

    made, destroyed = await vault.write(note)
    exposed = await is_exposed(vault)
    return VaultProof(vault.book.name, readable, unreadable, made - destroyed, destroyed, exposed, faults)


async def is_exposed(vault: Vault) -> bool:
    """Whether the role that the application comes as could read the vault's tables."""
    async with vault.book.database.read() as connection:
        return bool(
            await connection.fetchval(
                "select has_schema_privilege(oid, 'usage') from pg_namespace where nspname = $1",
                vault.database.schema,
            )
        )


def _fault(vault: Vault, row: Any, look_up_key: bytes) -> str | None:
    try:
        found = opened(vault, row)
    except (CardUnreadable, Broken) as error:
        return error.code
    if not passes_luhn(found.number) or shown_digits(found.number) != (row["bin"], row["last_four"]):
        return "not the number its row shows"
    if not hmac.compare_digest(look_up_hash(look_up_key, found.number), row["hash"] or b""):
        return "not the number its hash finds"
    return None
