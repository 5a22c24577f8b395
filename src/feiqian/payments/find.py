"""Find payments: one owner's or everybody's, page by page; their steps; their refunds."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from feiqian.kernel.queries import load
from feiqian.payments.payment import Payment, Step
from feiqian.payments.worksheet import load_payments

queries = load(Path(__file__).parent)


async def page_of_payments(
    connection: Any,
    owner: UUID | None,
    limit: int,
    after: UUID | None = None,
    before: UUID | None = None,
) -> tuple[list[Payment], bool]:
    """Payments newest first, refunds left out. -> the page, and whether more lie behind it.

    owner: whose payments, given or taken; None is everybody's. after: the id the page begins behind;
    before: the id it ends before.
    """
    asked: dict[str, Any] = {"most": limit + 1}
    older, newer = queries.page_before, queries.page_after
    if owner is not None:
        asked["owner"] = owner
        older, newer = queries.owners_page_before, queries.owners_page_after
    if before is not None:
        rows = list(await newer(connection, after=before, **asked))
        more, rows = len(rows) > limit, list(reversed(rows[:limit]))
    else:
        rows = list(await older(connection, before=after, **asked))
        more, rows = len(rows) > limit, rows[:limit]
    payments = await load_payments(connection, [row["id"] for row in rows])
    return list(payments.values()), more


async def steps_of(connection: Any, payment: UUID) -> list[Step]:
    """A payment's steps in order."""
    return [Step(*row) for row in await queries.steps_of(connection, payment=payment)]


async def refunds_of(connection: Any, payment: UUID) -> list[Payment]:
    """A payment's refunds that stand, oldest first."""
    rows = await queries.refunds_of(connection, payment=payment)
    return list((await load_payments(connection, [row["id"] for row in rows])).values())
