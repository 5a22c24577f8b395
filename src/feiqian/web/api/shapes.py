"""Shapes that several routes share: amounts, ids and texts as they come in, pages as they go out."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.params import Parameter
from msgspec import Meta

from feiqian.kernel.ids import as_id, read
from feiqian.kernel.money import MAX_MINOR, Money
from feiqian.web.caller import book_of, key_of
from feiqian.web.house import House
from feiqian.web.once import Asked, Once, fingerprint
from feiqian.web.problem import MEDIA_TYPE, language_of

Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$", description="ISO 4217 code.", examples=["CNY"])]
Line = Annotated[str, Meta(max_length=200, description="A short text.")]
Number = Annotated[
    str,
    Meta(min_length=1, max_length=64, pattern="^[0-9A-Za-z_./|*@-]+$", description="A number of your own."),
]
Metadata = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=40)], Annotated[str, Meta(max_length=500)]],
    Meta(max_length=50, description="Yours to keep; never used for logic."),
]

IdempotencyKey = Annotated[
    str,
    Parameter(
        header="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Makes this request happen once, however often it is sent. Kept 35 days.",
    ),
]


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


Limit = Annotated[int, Parameter(query="limit", ge=1, le=100, description="How many at most.")]
StartingAfter = Annotated[
    str | None, Parameter(query="starting_after", max_length=64, description="The id the page begins behind.")
]
EndingBefore = Annotated[
    str | None, Parameter(query="ending_before", max_length=64, description="The id the page ends before.")
]


def reads(prefix: str, text: str | None, param: str) -> UUID | None:
    """An optional id. Raises: NotFound."""
    return None if text is None else as_id(read(prefix, text, param))


async def once(
    request: Request[Any, Any, Any], door: str, key: str, body: Any, command: Any
) -> Response[Any]:
    """Carry a command out once and answer with what was answered the first time."""
    house: House = request.app.state.house
    caller = key_of(request)
    which: Once[Any, Any] = getattr(house.doors[book_of(request).name], door)
    asked = Asked(
        caller.principal,
        key,
        fingerprint(request.method, request.scope["path"], body),
        language_of(request),
        command,
    )
    answer = await which.ask(asked)
    return Response(
        answer.body,
        status_code=answer.status,
        media_type="application/json" if answer.status < 400 else MEDIA_TYPE,
        headers={"Idempotent-Replayed": "true"} if answer.replayed else None,
    )
