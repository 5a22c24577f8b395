"""Pages: part of a list, newest first by id, from a cursor up or down."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from feiqian.kernel.errors import Malformed

_FIRST, _LAST = UUID(int=0), UUID(int=2**128 - 1)


def span(limit: int, starting_after: UUID | None, ending_before: UUID | None) -> dict[str, Any]:
    """The values a paged statement takes: `below` and `down` for the one way, `above` and `up` for the other.

    Such a statement unites the `down` newest ids below one id with the `up` oldest above another;
    one of both numbers is 0. starting_after: the page of what is older. ending_before: of what is newer.
    To learn whether more follows, ask for one more than is shown.
    Raises: Malformed for a limit below 1, and when both cursors are given.
    """
    if limit < 1:
        raise Malformed("limit", least=1)
    if starting_after is not None and ending_before is not None:
        raise Malformed("ending_before", reason="not together with starting_after")
    if ending_before is not None:
        return {"below": _FIRST, "down": 0, "above": ending_before, "up": limit}
    return {"below": starting_after or _LAST, "down": limit, "above": _LAST, "up": 0}
