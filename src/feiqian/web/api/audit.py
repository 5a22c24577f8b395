"""The audit log: who did what to whom, when and from where. Looking into it is written down too."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, get
from litestar.params import FromPath, QueryParameter

from feiqian.kernel.audit.entry import Entry
from feiqian.kernel.audit.read import Wanted, find_entry, page_of_entries
from feiqian.kernel.ids import as_id, read, show
from feiqian.web.api.shapes import EndingBefore, Limit, Page, StartingAfter, moment, one_way, page_of, reads
from feiqian.web.caller import book_of

OfObject = Annotated[
    str | None,
    QueryParameter(name="object", max_length=64, description="Only what was done to the object of this id."),
]
OfActor = Annotated[
    str | None,
    QueryParameter(
        name="actor",
        max_length=64,
        description="Only what it did: a key's id, a principal's id, `system`, `nobody` or `cli:…`.",
    ),
]
OfVerb = Annotated[
    str | None,
    QueryParameter(name="verb", max_length=64, description="Only this verb, such as `wallet.frozen`."),
]
Since = Annotated[
    str | None,
    QueryParameter(
        name="since",
        max_length=40,
        schema_extra={"format": "date-time"},
        description="Only from this moment on, by the book's clock.",
    ),
]
Until = Annotated[
    str | None,
    QueryParameter(
        name="until",
        max_length=40,
        schema_extra={"format": "date-time"},
        description="Only before this moment, by the book's clock.",
    ),
]

_OPT: dict[str, Any] = {"scope": "audit:read", "operator": True}


class AuditEntryView(msgspec.Struct, frozen=True):
    """An entry of the audit log. seq: its place, without gaps. at: by the book's clock, machine_at by the
    machine's.

    actor: a key's id, `system`, `nobody` or `cli:` and an account of the machine; principal: whose key it
    was. objects: what it was done to, the first being the one meant. result: `done` or the code of the
    refusal. hash: SHA-256 over the entry before and this one.
    """

    id: str
    object: Literal["audit_entry"]
    seq: int
    at: datetime
    machine_at: datetime
    actor: str
    principal: str | None
    peer: str | None
    request: str | None
    verb: str
    objects: list[str]
    result: str
    facts: dict[str, Any]
    hash: str


@get("/v1/audit", opt=_OPT, tags=["audit"])
async def list_audit(
    request: Request[Any, Any, Any],
    of_object: OfObject = None,
    actor: OfActor = None,
    verb: OfVerb = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 20,
    starting_after: StartingAfter = None,
    ending_before: EndingBefore = None,
) -> Page[AuditEntryView]:
    """List what was done, tried and looked at, newest first; all filters given must fit."""
    one_way(starting_after, ending_before)
    book = book_of(request)
    now = book.clock.now()
    is_principal = actor is not None and actor.startswith("prn_")
    wanted = Wanted(
        object=of_object,
        actor=None if is_principal else actor,
        principal=reads("prn", actor, "actor") if is_principal else None,
        verb=verb,
        since=moment(since, "since", now),
        until=moment(until, "until", now),
    )
    async with book.database.read() as connection:
        below = await _seq(connection, starting_after, "starting_after")
        above = await _seq(connection, ending_before, "ending_before")
        rows = await page_of_entries(connection, wanted, limit + 1, below=below, above=above)
    shown, more = page_of(rows, limit, ending_before)
    return Page([_show(each) for each in shown], more)


@get("/v1/audit/{audit_entry_id:str}", opt=_OPT, tags=["audit"])
async def get_audit_entry(request: Request[Any, Any, Any], audit_entry_id: FromPath[str]) -> AuditEntryView:
    """See one entry of the audit log."""
    async with book_of(request).database.read() as connection:
        id = as_id(read("aud", audit_entry_id, "audit_entry_id"))
        return _show(await find_entry(connection, id, "audit_entry_id"))


async def _seq(connection: Any, id: str | None, param: str) -> int | None:
    if id is None:
        return None
    return (await find_entry(connection, as_id(read("aud", id, param)), param)).seq


def _show(entry: Entry) -> AuditEntryView:
    return AuditEntryView(
        id=show("aud", entry.id),
        object="audit_entry",
        seq=entry.seq,
        at=entry.at.astimezone(UTC),
        machine_at=entry.machine_at.astimezone(UTC),
        actor=entry.actor,
        principal=None if entry.principal is None else show("prn", entry.principal),
        peer=entry.peer,
        request=entry.request,
        verb=entry.verb,
        objects=entry.objects,
        result=entry.result,
        facts=entry.facts,
        hash=entry.hash.hex(),
    )


ROUTES = [list_audit, get_audit_entry]
