"""Destroy: make a group of cards unreadable for ever by destroying the one key that opens them.

Backups and the database's own log still hold that key as it was wrapped: rotate and retire the
key-encrypting keys afterwards, and those copies are closed for ever too.
"""

from __future__ import annotations

from uuid import UUID

from feiqian.kernel.errors import NotFound
from feiqian.vault.safe import Turn, Vault, queries


async def destroy_data_key(vault: Vault, id: UUID, reason: str, who: str) -> int:
    """Destroy a data key. -> how many bound cards are unreadable from now on; their tokens are deleted.

    Raises: NotFound, also for one destroyed before.
    """

    async def work(turn: Turn) -> int:
        if await queries.destroy_group(turn.connection, id=id, at=turn.at) is None:
            raise NotFound("data_key")
        lost = [row["id"] for row in await queries.forget_group(turn.connection, data_key=id)]
        await queries.delete_tokens(turn.connection, cards=lost)
        await turn.note(who, "keys.destroy", reason, result=f"{id.hex}: {len(lost)} cards")
        return len(lost)

    lost = await vault.write(work)
    vault.forget(id)
    return lost
