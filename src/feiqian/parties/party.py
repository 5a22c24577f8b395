"""Party: a person or an organisation, the rules of its phone number and of its states."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec
import phonenumbers

from feiqian.kernel.errors import Refused
from feiqian.kernel.ids import new_id
from feiqian.kernel.text import BadName as BadName

Kind = Literal["person", "organisation"]
State = Literal["active", "frozen", "closed"]

HOME_REGION = "CN"

_WRITTEN_PHONE = re.compile(r"\+?[0-9][0-9 ().\-]{1,30}")
_CHANGES = {("active", "frozen"), ("frozen", "active"), ("active", "closed"), ("frozen", "closed")}


class PhoneTaken(Refused):
    """This telephone number belongs to another customer. Use another number."""

    code, status, zh = "phone_taken", 409, "该手机号已被其他客户使用，请换一个号码。"


class ReferenceTaken(Refused):
    """This reference names another one already. References are used once."""

    code, status, zh = "reference_taken", 409, "该外部编号已被使用，每个编号只能使用一次。"


class BadPhone(Refused):
    """This is no telephone number. Write it with country code, such as +86 138 0013 8000."""

    code, status, zh = "bad_phone", 422, "电话号码无效，请带国家代码填写，例如 +86 138 0013 8000。"


class BadAccountClass(Refused):
    """An account class is 1, 2 or 3; persons have one and organisations have none."""

    code, status, zh = "bad_account_class", 422, "账户类别须为 1、2 或 3；个人必填，单位不填。"


class NotAPerson(Refused):
    """Only persons have an account class."""

    code, status, zh = "not_a_person", 422, "只有个人客户才有账户类别。"


class PartyStateRefused(Refused):
    """A customer in this state cannot go to that one. One that is closed stays closed."""

    code, status, zh = "party_state", 409, "客户当前状态不能变更为目标状态；已注销的客户不能恢复。"


class PartyNotEmpty(Refused):
    """A customer is closed only when all its wallets are empty and nothing is held. Empty them first."""

    code, status, zh = "party_not_empty", 409, "客户名下钱包仍有余额或冻结金额，请先清空再注销。"


class Party(msgspec.Struct, frozen=True):
    """A party as it stands. phone: E.164. account_class: 1 to 3 for persons, by identity check."""

    id: UUID
    kind: Kind
    name: str
    phone: str | None
    reference: str | None
    account_class: int | None
    state: State
    metadata: dict[str, str]
    created_at: datetime


class NewParty(msgspec.Struct, frozen=True):
    """A party to register. phone: as people write it. account_class: persons only, 1 when not given.

    id: ours, not to be taken from a caller; made here so that the same registration run twice is one.
    """

    kind: Kind
    name: str
    phone: str | None = None
    reference: str | None = None
    account_class: int | None = None
    metadata: dict[str, str] = {}
    id: UUID = msgspec.field(default_factory=new_id)


def e164(text: object, param: str = "phone") -> str:
    """A telephone number as E.164: `138 0013 8000` is `+8613800138000`. Raises: BadPhone.

    Numbers without a country code are of the home region. The length must be possible in its country;
    whether the number is assigned nobody here can know.
    """
    if not isinstance(text, str) or not _WRITTEN_PHONE.fullmatch(text.strip(" ")):
        raise BadPhone(param)
    try:
        number = phonenumbers.parse(text, HOME_REGION)
    except phonenumbers.NumberParseException:
        raise BadPhone(param) from None
    # is_possible_number would also say yes to what is known to work inside one town only.
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise BadPhone(param)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def class_of(kind: Kind, account_class: int | None) -> int | None:
    """The class to begin with. Raises: BadAccountClass."""
    if kind == "organisation" and account_class is None:
        return None
    if kind == "organisation" or account_class not in (None, 1, 2, 3) or isinstance(account_class, bool):
        raise BadAccountClass("account_class")
    return account_class or 1


def check_change(now: State, then: State) -> None:
    """Pass, or say that a party does not go from one state to the other. Raises: PartyStateRefused."""
    if (now, then) not in _CHANGES:
        raise PartyStateRefused("state", state=now, asked=then)
