"""Find: parties by id, by telephone number, by reference, and page by page."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

from feiqian.kernel.errors import NotFound
from feiqian.kernel.pages import span
from feiqian.kernel.queries import load
from feiqian.parties.party import Kind, Party, e164

queries = load(Path(__file__).parent)


async def find_party(connection: Any, id: UUID) -> Party:
    """The party of that id. Raises: NotFound."""
    found = (await find_parties(connection, [id])).get(id)
    if found is None:
        raise NotFound
    return found


async def find_parties(connection: Any, ids: Iterable[UUID]) -> dict[UUID, Party]:
    """Parties by id; ids that do not exist are left out."""
    rows = await queries.parties_by_id(connection, ids=list(set(ids)))
    return {row["id"]: Party(*row) for row in rows}


async def by_phone(connection: Any, phone: str) -> Party | None:
    """Who has this number now, written in any way; closed parties have none. Raises: BadPhone."""
    row = await queries.party_by_phone(connection, phone=e164(phone))
    return Party(*row) if row else None


async def by_reference(connection: Any, reference: str) -> Party | None:
    """The party that the partner's own id names."""
    row = await queries.party_by_reference(connection, reference=reference)
    return Party(*row) if row else None


async def page_of_parties(
    connection: Any,
    limit: int,
    starting_after: UUID | None = None,
    ending_before: UUID | None = None,
    kind: Kind | None = None,
) -> list[Party]:
    """A page of all parties, or of all of a kind, newest first (kernel/pages.py)."""
    page = span(limit, starting_after, ending_before)
    rows = await queries.parties_page(connection, kind=kind, **page)
    return [Party(*row) for row in rows]
