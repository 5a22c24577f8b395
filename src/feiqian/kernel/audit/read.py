"""Read: entries by id, and page by page by what they are about."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from feiqian.kernel.audit.entry import Entry
from feiqian.kernel.audit.write import queries
from feiqian.kernel.errors import NotFound


class Wanted(msgspec.Struct, frozen=True):
    """What entries must fit, all that is given. object, actor: as they stand. until: not included."""

    object: str | None = None
    actor: str | None = None
    principal: UUID | None = None
    verb: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def find_entry(connection: Any, id: UUID, param: str | None = None) -> Entry:
    """The entry of that id. Raises: NotFound."""
    row = await queries.entry(connection, id=id)
    if row is None:
        raise NotFound(param)
    return Entry(*row)


async def page_of_entries(
    connection: Any,
    wanted: Wanted,
    limit: int,
    *,
    below: int | None = None,
    above: int | None = None,
) -> list[Entry]:
    """Entries that fit, newest first. below, above: sequence numbers the page ends before; one of both.

    With `above` they are the ones just above it.
    """
    fits = msgspec.structs.asdict(wanted)
    if above is None:
        rows = await queries.page_down(connection, below=below, most=limit, **fits)
    else:
        rows = reversed(await queries.page_up(connection, above=above, most=limit, **fits))
    return [Entry(*row) for row in rows]
