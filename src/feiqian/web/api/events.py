"""Events: what has happened, newest first to look at, oldest first to follow."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Request, get
from litestar.params import FromPath, QueryParameter

from feiqian.access import ApiKey, owned_by
from feiqian.kernel.errors import NotFound
from feiqian.kernel.feed import BEGINNING, Event, find_event, page_of_events
from feiqian.kernel.ids import as_id, read, show
from feiqian.web.api.shapes import EndingBefore, Limit, Page, StartingAfter, one_way, page_of
from feiqian.web.caller import book_of, key_of

Type = Annotated[
    str | None,
    QueryParameter(name="type", max_length=64, description="Only events of this type."),
]
Subject = Annotated[
    str | None,
    QueryParameter(name="subject", max_length=64, description="Only events about the object of this id."),
]
After = Annotated[
    str | None,
    QueryParameter(
        name="after",
        max_length=64,
        description=(
            "Follow the feed: events behind this one, oldest first. "
            "Begin with `evt_00000000000000000000000000000000`."
        ),
    ),
]


class EventView(msgspec.Struct, frozen=True):
    """Something that has happened. subject: the object it happened to; data: that object as it was then."""

    id: str
    object: Literal["event"]
    type: str
    subject: str | None
    data: dict[str, Any]
    at: datetime


@get("/v1/events", opt={"scope": "events:read"}, tags=["events"])
async def list_events(
    request: Request[Any, Any, Any],
    type: Type = None,
    subject: Subject = None,
    after: After = None,
    limit: Limit = 20,
    starting_after: StartingAfter = None,
    ending_before: EndingBefore = None,
) -> Page[EventView]:
    """List events in the order of commits, newest first; with `after`, oldest first.

    A merchant's key sees the merchant's own.
    """
    one_way(after, starting_after, ending_before)
    key = key_of(request)
    async with book_of(request).database.read() as connection:
        above = await _seq(connection, key, after or ending_before, "after" if after else "ending_before")
        rows = await page_of_events(
            connection,
            limit + 1,
            above=above or 0,
            below=await _seq(connection, key, starting_after, "starting_after"),
            oldest_first=above is not None,
            type=type,
            subject=_subject(subject),
            owner=key.merchant,
        )
    shown, more = page_of(rows, limit)
    return Page([_show(each) for each in (reversed(shown) if ending_before else shown)], more)


@get("/v1/events/{event_id:str}", opt={"scope": "events:read"}, tags=["events"])
async def get_event(request: Request[Any, Any, Any], event_id: FromPath[str]) -> EventView:
    """See one event."""
    async with book_of(request).database.read() as connection:
        found = await find_event(connection, as_id(read("evt", event_id, "event_id")))
    return _show(_see(key_of(request), found, "event_id"))


def _see(key: ApiKey, event: Event | None, param: str) -> Event:
    if event is None:
        raise NotFound(param)
    owned_by(key, event.owner)
    return event


async def _seq(connection: Any, key: ApiKey, id: str | None, param: str) -> int | None:
    """Where in the feed an event stands. Raises: NotFound, also for one this key may not see."""
    if id is None:
        return None
    read_id = as_id(read("evt", id, param))
    if read_id == BEGINNING:
        return 0
    return _see(key, await find_event(connection, read_id), param).seq


def _subject(text: str | None) -> UUID | None:
    """The id behind an object's public id, whatever its kind. Raises: NotFound."""
    return None if text is None else as_id(read(text.partition("_")[0], text, "subject"))


def _show(event: Event) -> EventView:
    return EventView(
        id=show("evt", event.id),
        object="event",
        type=event.type,
        subject=_id_in(event.data),
        data=event.data,
        at=event.at,
    )


def _id_in(data: dict[str, Any]) -> str | None:
    """The public id of what an event tells about: its data is one object by the name of its kind."""
    told = next(iter(data.values()), None)
    return told.get("id") if isinstance(told, dict) else None


ROUTES = [list_events, get_event]
