"""Find: merchants, stores, cashiers, terminals and contracts, by id and page by page, newest first."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from feiqian.kernel.errors import NotFound
from feiqian.kernel.pages import span
from feiqian.kernel.queries import load
from feiqian.merchants.merchant import Agreement, Cashier, Merchant, Store, Terminal
from feiqian.pricing import Terms

queries = load(Path(__file__).parent)

Found = TypeVar("Found")


async def find_merchant(connection: Any, id: UUID) -> Merchant:
    """Raises: NotFound."""
    return _only(await find_merchants(connection, [id]), id)


async def find_merchants(connection: Any, ids: Iterable[UUID]) -> dict[UUID, Merchant]:
    """Merchants by id; ids that do not exist are left out."""
    rows = await queries.merchants_by_id(connection, ids=list(set(ids)))
    return {row["id"]: Merchant(*row) for row in rows}


async def page_of_merchants(
    connection: Any, limit: int, starting_after: UUID | None = None, ending_before: UUID | None = None
) -> list[Merchant]:
    """A page of all merchants (kernel/pages.py, as all pages below)."""
    rows = await queries.merchants_page(connection, **span(limit, starting_after, ending_before))
    return [Merchant(*row) for row in rows]


async def find_store(connection: Any, id: UUID) -> Store:
    """Raises: NotFound."""
    return _only(await find_stores(connection, [id]), id)


async def find_stores(connection: Any, ids: Iterable[UUID]) -> dict[UUID, Store]:
    """Stores by id; ids that do not exist are left out."""
    rows = await queries.stores_by_id(connection, ids=list(set(ids)))
    return {row["id"]: Store(*row) for row in rows}


async def page_of_stores(
    connection: Any,
    merchant: UUID,
    limit: int,
    starting_after: UUID | None = None,
    ending_before: UUID | None = None,
) -> list[Store]:
    """A page of a merchant's stores."""
    page = span(limit, starting_after, ending_before)
    return [Store(*row) for row in await queries.stores_page(connection, merchant=merchant, **page)]


async def find_cashier(connection: Any, id: UUID) -> Cashier:
    """Raises: NotFound."""
    return _only(await find_cashiers(connection, [id]), id)


async def find_cashiers(connection: Any, ids: Iterable[UUID]) -> dict[UUID, Cashier]:
    """Cashiers by id; ids that do not exist are left out."""
    rows = await queries.cashiers_by_id(connection, ids=list(set(ids)))
    return {row["id"]: Cashier(*row) for row in rows}


async def page_of_cashiers(
    connection: Any,
    store: UUID,
    limit: int,
    starting_after: UUID | None = None,
    ending_before: UUID | None = None,
) -> list[Cashier]:
    """A page of a store's cashiers."""
    page = span(limit, starting_after, ending_before)
    return [Cashier(*row) for row in await queries.cashiers_page(connection, store=store, **page)]


async def find_terminal(connection: Any, id: UUID) -> Terminal:
    """Raises: NotFound."""
    return _only(await find_terminals(connection, [id]), id)


async def find_terminals(connection: Any, ids: Iterable[UUID]) -> dict[UUID, Terminal]:
    """Terminals by id; ids that do not exist are left out."""
    rows = await queries.terminals_by_id(connection, ids=list(set(ids)))
    return {row["id"]: Terminal(*row) for row in rows}


async def page_of_terminals(
    connection: Any,
    store: UUID,
    limit: int,
    starting_after: UUID | None = None,
    ending_before: UUID | None = None,
) -> list[Terminal]:
    """A page of a store's terminals."""
    page = span(limit, starting_after, ending_before)
    return [Terminal(*row) for row in await queries.terminals_page(connection, store=store, **page)]


async def page_of_contracts(
    connection: Any,
    merchant: UUID,
    limit: int,
    starting_after: UUID | None = None,
    ending_before: UUID | None = None,
) -> list[Agreement]:
    """A page of a merchant's contracts: past, in force and to come, the latest agreed first."""
    page = span(limit, starting_after, ending_before)
    rows = await queries.contracts_page(connection, merchant=merchant, **page)
    return [Agreement(**{**row, "terms": msgspec.convert(row["terms"], Terms)}) for row in rows]


def _only(found: dict[UUID, Found], id: UUID) -> Found:
    if id not in found:
        raise NotFound
    return found[id]
