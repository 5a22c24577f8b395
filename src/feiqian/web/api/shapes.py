"""Shapes that several routes share: amounts, ids and texts as they come in, pages as they go out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.params import HeaderParameter, QueryParameter
from msgspec import Meta

from feiqian.kernel.errors import Malformed, Refused
from feiqian.kernel.ids import as_id, new_id, read
from feiqian.kernel.money import MAX_MINOR, Money
from feiqian.web.caller import acting, key_of
from feiqian.web.house import House
from feiqian.web.once import Asked, Once, fingerprint
from feiqian.web.problem import MEDIA_TYPE, asker_of

# In patterns, `$` alone would let a line break pass at the end.
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}(?!\n)$", description="ISO 4217 code.", examples=["CNY"])]
Name = Annotated[
    str, Meta(min_length=1, max_length=100, pattern=r"^\S(.*\S)?(?!\n)$", description="One line of text.")
]
Reference = Annotated[
    str, Meta(min_length=1, max_length=64, pattern=r"^\S(.*\S)?(?!\n)$", description="Your own id for it.")
]
Id = Annotated[str, Meta(max_length=64)]
Line = Annotated[str, Meta(max_length=200, description="A short text.")]
Number = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=r"^[0-9A-Za-z_./|*@-]+(?!\n)$",
        description="A number of your own.",
    ),
]
Metadata = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=40)], Annotated[str, Meta(max_length=500)]],
    Meta(max_length=50, description="Yours to keep; never used for logic."),
]

IdempotencyKey = Annotated[
    str,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Makes this request happen once, however often it is sent. Kept 35 days.",
    ),
]
OptionalKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Makes this request happen once, however often it is sent. Kept 35 days.",
    ),
]


class OneWay(Refused):
    """Turn pages one way at a time: name one cursor."""

    code, status, zh = "one_cursor", 422, "每次只能按一个方向翻页，请只提供一个游标。"


class NotYet(Refused):
    """This moment is yet to come. Ask for a past one."""

    code, status, zh = "moment_to_come", 422, "该时刻尚未到来，请查询过去的时刻。"


class AmountIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Money: whole minor units (4860 CNY is 48.60 yuan), above zero."""

    amount: Annotated[int, Meta(ge=1, le=MAX_MINOR, examples=[4860])]
    currency: Currency

    def money(self, param: str = "amount") -> Money:
        """As money. Raises: UnknownCurrency, NotAnAmount."""
        return Money.minor_units(self.amount, self.currency, param=f"{param}.amount")


Item = TypeVar("Item")


class Page(msgspec.Struct, Generic[Item], frozen=True):
    """A page of a list, newest first. More lie behind it when has_more."""

    data: list[Item]
    has_more: bool
    object: Literal["list"] = "list"


Limit = Annotated[int, QueryParameter(name="limit", ge=1, le=100, description="How many at most.")]
StartingAfter = Annotated[
    str | None,
    QueryParameter(name="starting_after", max_length=64, description="The id the page begins behind."),
]
EndingBefore = Annotated[
    str | None,
    QueryParameter(name="ending_before", max_length=64, description="The id the page ends before."),
]


def reads(prefix: str, text: str | None, param: str) -> UUID | None:
    """An optional id. Raises: NotFound."""
    return None if text is None else as_id(read(prefix, text, param))


def one_way(*cursors: str | None) -> None:
    """Pass, or raise OneWay when a list is to be turned two ways at once."""
    if sum(each is not None for each in cursors) > 1:
        raise OneWay


def page_of(rows: Sequence[Item], limit: int, ending_before: Any = None) -> tuple[list[Item], bool]:
    """Cut a page, newest first, that was asked for with one row more. -> the page, whether more follow."""
    more = len(rows) > limit
    shown = rows[-limit:] if more and ending_before is not None else rows[:limit]
    return list(shown), more


def moment(text: str | None, param: str, now: datetime) -> datetime | None:
    """A past moment in RFC 3339, with its offset. Raises: Malformed, NotYet."""
    if text is None:
        return None
    try:
        at: datetime = msgspec.convert(text, Annotated[datetime, Meta(tz=True)])
    except msgspec.ValidationError:
        raise Malformed(param, reason="not RFC 3339 with an offset") from None
    if at > now:
        raise NotYet(param)
    return at.astimezone(UTC)


async def once(
    request: Request[Any, Any, Any],
    door: str,
    key: str | None,
    body: Any,
    command: Any,
) -> Response[Any]:
    """Carry a command out once and answer with what was answered the first time.

    key: None for a request that may happen as often as it is sent.
    """
    house: House = request.app.state.house
    caller = key_of(request)
    which: Once[Any, Any] = getattr(house.doors[request.scope["state"]["book"].name], door)
    asked = Asked(
        caller.principal,
        key or new_id().hex,
        fingerprint(request.method, request.scope["path"], body),
        asker_of(request, is_merchant=caller.merchant is not None),
        command,
        kept=key is not None,
        actor=acting(request.scope),
    )
    answer = await which.ask(asked)
    return Response(
        answer.body,
        status_code=answer.status,
        media_type="application/json" if answer.status < 400 else MEDIA_TYPE,
        headers={"Idempotent-Replayed": "true"} if answer.replayed else None,
    )
