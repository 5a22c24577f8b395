"""Rotate: new key-encrypting keys while cards are bound and read, and an end for the old ones.

Data keys are wrapped anew, a hundred in a turn; cards stay as they are. Until all are done the old key
and the new one both open. Retiring the old one takes the turns of all vaults it may serve, so that no
process can be wrapping with it just then.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack

import msgspec

from feiqian.vault.keys import KeyProvider, VaultKeyMissing
from feiqian.vault.safe import Turn, Vault, queries


class Rotated(msgspec.Struct, frozen=True):
    """What a rotation did. rewrapped: data keys. retired: ids of the keys that are gone."""

    kek: str
    rewrapped: int
    retired: list[str]


async def rotate(keys: KeyProvider, vaults: Sequence[Vault], who: str, *, retire: bool = False) -> Rotated:
    """A new key-encrypting key for all data keys of these vaults, and new data keys for new cards.

    vaults: all that these keys serve. retire: also forget the keys nothing needs any more.
    """
    kek = keys.add()
    rewrapped = 0
    for vault in vaults:
        rewrapped += await _rewrap(vault, who)
    return Rotated(kek, rewrapped, await forget_unneeded(keys, vaults, who) if retire else [])


async def forget_unneeded(keys: KeyProvider, vaults: Sequence[Vault], who: str) -> list[str]:
    """Forget every key-encrypting key that wraps no data key in these vaults. -> their ids."""
    async with AsyncExitStack() as stack:
        needed: set[str] = set()
        for vault in sorted(vaults, key=lambda vault: vault.database.schema):
            connection = await stack.enter_async_context(vault.database.transaction())
            await queries.turn(connection)
            needed |= {row["kek"] for row in await queries.keks(connection)}
            await Turn(vault, connection, vault.book.clock.now()).note(who, "keys.retire", "rotation")
        return keys.drop(needed)


async def _rewrap(vault: Vault, who: str) -> int:
    """Wrap what is under other keys than the current one. -> how many."""

    async def some(turn: Turn) -> int:
        rows = await queries.groups_under_others(turn.connection, kek=vault.keys.current())
        for row in rows:
            key = vault.data_key(row["id"], row["kek"], row["wrapped"])
            if key is None:
                raise VaultKeyMissing(data_key=row["id"].hex)
            kek, wrapped = vault.keys.wrap(key, vault.about(row["id"]))
            await queries.rewrap(turn.connection, id=row["id"], kek=kek, wrapped=wrapped)
        return len(rows)

    async def close(turn: Turn) -> None:
        await queries.close_groups(turn.connection)
        await turn.note(who, "keys.rotate", "rotation")

    await vault.write(close)
    done = 0
    while more := await vault.write(some):
        done += more
    return done
