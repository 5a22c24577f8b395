"""No cards: what comes in with a card number, code, track or PIN in the wrong place is refused unread.

Before any other look at a request: an answer may quote what it cannot read, and a row keeps what it is given.
"""

from __future__ import annotations

from typing import Any

from litestar import Request

from feiqian.vault.finder import check_free_of_cards
from feiqian.web.needs import needs_of


def check_no_cards(request: Request[Any, Any, Any], body: Any) -> None:
    """Pass, or refuse the request. A route says `opt={"card_field": …}` where a number belongs.

    Raises: CardNumberRefused, CardSecretRefused.
    """
    for name, value in request.query_params.multi_items():
        check_free_of_cards({name: value})
    check_free_of_cards(request.headers.get("idempotency-key", ""), "Idempotency-Key")
    handler = request.route_handler
    asked = needs_of(handler).body
    declared = asked.__struct_fields__ if hasattr(asked, "__struct_fields__") else ()
    check_free_of_cards(body, allowed=handler.opt.get("card_field"), declared=declared)
