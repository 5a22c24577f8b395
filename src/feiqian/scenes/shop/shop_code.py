"""Shop codes: what a shop shows to be scanned. An EMVCo payload that names our purchase or stand by a token.

The token leads to the record, and the record decides: name, amount and currency in the payload are
for the reader's eyes and must agree with it, or the code has been tampered with.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from feiqian.kernel.currency import currency
from feiqian.kernel.money import Money
from feiqian.scenes.shop import emv_merchant as emv
from feiqian.scenes.shop.emv import MalformedCode
from feiqian.scenes.shop.purchase import CodeAltered, CodeUnknown, CodeWrongShop, Shop

_TOKEN, _MERCHANT = "01", "02"
_LATIN = re.compile(r"[ -~]{1,25}")


def payload(
    shop: Shop,
    token: str,
    amount: Money | None,
    reference: str | None = None,
    *,
    guid: str,
    currency_code: str | None = None,
) -> str:
    """The text of the QR symbol. amount: None leaves it to the payer, in the currency of currency_code."""
    unit = currency(amount.currency if amount else currency_code)
    dynamic = token.startswith("d")
    return emv.write(
        emv.compose(
            accounts=[emv.template("26", {"00": guid, _TOKEN: token, _MERCHANT: shop.merchant.hex})],
            name=_latin(shop.name, 25, "SHOP"),
            city=_latin(shop.city, 15, "CITY"),
            country=shop.country,
            currency=unit.number_text,
            mcc=shop.mcc,
            amount=emv.to_text(amount.minor, unit.exponent) if amount else None,
            dynamic=dynamic,
            additional={"05": reference} if reference and _LATIN.fullmatch(reference) else None,
            local={"00": "zh", "01": shop.name[:25].strip(), "02": shop.city[:15].strip()},
        )
    )


class ShopCode(NamedTuple):
    """A payload that was read. token: leads to the record; merchant: who it says is paid, in hex."""

    code: emv.MerchantCode
    token: str
    merchant: str | None

    @property
    def is_dynamic(self) -> bool:
        """Whether it was made for one purchase."""
        return self.token.startswith("d")


def read(text: str, guid: str) -> ShopCode:
    """Read a payload. Raises: MalformedCode naming the tag; CodeUnknown for codes of other houses."""
    code = emv.read(text)
    account = code.account(guid)
    token = account.value(_TOKEN) if account else None
    if account is None or token is None:
        raise CodeUnknown("code")
    return ShopCode(code, token, account.value(_MERCHANT))


def agrees(shown: ShopCode, shop: Shop, amount: Money | None, unit: str) -> None:
    """Pass when the payload says what the record says. Raises: CodeWrongShop, CodeAltered, MalformedCode."""
    if shown.merchant != shop.merchant.hex:
        raise CodeWrongShop("code")
    code, known = shown.code, currency(unit)
    stated = code.amount_minor(known.exponent) if code.amount_text is not None else None
    if code.currency != known.number_text or stated != (amount.minor if amount else None):
        raise CodeAltered("code")


def _latin(text: str, most: int, otherwise: str) -> str:
    # Tags 59 and 60 are printable ASCII; the name in its own script is in the language template, 64.
    kept = "".join(sign for sign in text if " " <= sign <= "~").strip()[:most].strip()
    return kept or otherwise


__all__ = ["MalformedCode", "ShopCode", "agrees", "payload", "read"]
