"""Forget: what time has made useless among factors, for the hourly tidying."""

from __future__ import annotations

from datetime import timedelta

from feiqian.access.factors.proof import queries
from feiqian.access.factors.tries import forget_old_tries
from feiqian.kernel.book import Turn

KEPT_FOR = timedelta(days=1)  # an expired challenge; longer than any cap looks back


async def forget_old_factors(turn: Turn) -> None:
    """Delete counts nobody adds to, and challenges and codes that expired a day ago."""
    before = turn.at - KEPT_FOR
    await forget_old_tries(turn)
    await queries.forget_old_questions(turn.connection, before=before)
    await queries.forget_old_sms(turn.connection, before=before)
    await queries.forget_old_challenges(turn.connection, before=before)
