"""SMS: a code sent to the customer's telephone, about one thing it was shown.

Only a number whose SIM was not swapped lately is trusted (sim_swap.py). The code is made and kept in a
turn; sms_sender.py hands it to the gateway after the commit.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from feiqian.access.factors.otp import same
from feiqian.access.factors.proof import Proof, Shown, WrongFactor, queries, sealing_of
from feiqian.access.factors.sim_swap import SimCheck
from feiqian.access.factors.tries import Rule, TooManyTries, begin, forgive
from feiqian.kernel.book import Turn
from feiqian.kernel.errors import NotFound, Refused
from feiqian.kernel.ids import new_id
from feiqian.kernel.mask import mask_phone
from feiqian.kernel.secret import open_sealed, seal
from feiqian.parties import find_party

DIGITS = 6
LIVES = timedelta(minutes=10)
WRONG_MAX = 5  # for one code
RULE = Rule(10, (timedelta(hours=1), timedelta(hours=24)))  # over all codes of a party
SENDS_MAX, SENDS_IN = 5, timedelta(hours=1)  # to one number, whoever asks
PAUSE = timedelta(seconds=60)
SIM_CHECK_LIVES = timedelta(minutes=2)


class SmsNotTrusted(Refused):
    """SMS cannot prove anything for this number just now. Use another factor."""

    code, status, zh = "sms_not_trusted", 422, "该号码目前不能用短信验证，请使用其他验证方式。"


class SmsTooOften(Refused):
    """Too many codes were sent to this number. Wait until the moment named, or use another factor."""

    code, status, zh = "sms_too_often", 429, "该号码的短信验证码发送过于频繁，请稍后再试或换其他验证方式。"


class SmsCode(msgspec.Struct, frozen=True):
    """A code under way. phone: masked."""

    id: UUID
    phone: str
    expires_at: datetime


async def send_code(turn: Turn, party: UUID, shown: Shown, payee: str, sim: SimCheck) -> SmsCode | Refused:
    """Make a code about what is shown and have it sent after the commit; one about the same before ends.

    payee: how the message names the payee. sim: what the operator said of the party's number just now.
    Refuses: NotFound for a party without a number; SmsNotTrusted; SmsTooOften.
    """
    phone = (await find_party(turn.connection, party)).phone
    if phone is None:
        return NotFound("phone")
    fresh = timedelta(0) <= turn.at - sim.at < SIM_CHECK_LIVES
    if sim.verdict != "not_swapped" or sim.phone != phone or not fresh:
        return SmsNotTrusted()
    made = [
        row["made_at"]
        for row in await queries.sms_lately(turn.connection, phone=phone, since=turn.at - SENDS_IN)
    ]
    if len(made) >= SENDS_MAX:
        return SmsTooOften(until=(made[-1] + SENDS_IN).isoformat())
    if made and turn.at - made[0] < PAUSE:
        return SmsTooOften(until=(made[0] + PAUSE).isoformat())
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}"
    text = f"【飞钱】验证码 {code}，用于向 {payee} 支付 {shown.amount.text()}，10 分钟内有效，请勿告知他人。"
    id, about = new_id(), shown.digest()
    await queries.end_sms_about(turn.connection, party=party, about=about, at=turn.at)
    await queries.add_sms(
        turn.connection,
        id=id,
        party=party,
        phone=phone,
        about=about,
        sealed=seal(sealing_of(turn.book), (code + text).encode(), sealed_about(id)),
        at=turn.at,
        expires_at=turn.at + LIVES,
    )
    return SmsCode(id, mask_phone(phone), turn.at + LIVES)


async def check_code(turn: Turn, party: UUID, id: UUID, shown: Shown, given: str) -> Proof | Refused:
    """Check a code. shown: what is to be done now, which must be what the code was sent about.

    A right one uses the code up, the fifth wrong one ends it. Refuses: WrongFactor, also for a code that
    is another's, ended, expired, about something else, or of a number the party has no more; TooManyTries.
    """
    refusal = await begin(turn, "sms", party.bytes, RULE)
    if isinstance(refusal, TooManyTries):
        return refusal
    row = await queries.sms(turn.connection, id=id)
    if row is None or row["party"] != party or row["ended_at"] is not None or turn.at >= row["expires_at"]:
        return WrongFactor("code")
    code = open_sealed(sealing_of(turn.book), row["sealed"], sealed_about(id)).decode()[:DIGITS]
    # A wrong thing to do counts as a wrong code: otherwise it could be tried for nothing.
    right = same(given, code) and row["about"] == shown.digest() and row["phone"] == row["phone_now"]
    if not right:
        await queries.count_wrong_sms(turn.connection, id=id, most=WRONG_MAX, at=turn.at)
        return WrongFactor("code")
    await queries.end_sms(turn.connection, id=id, at=turn.at)
    await forgive(turn, "sms", party.bytes)
    return Proof(party, "sms", turn.at, row["about"])


def sealed_about(id: UUID) -> bytes:
    """What a code's seal is bound to."""
    return b"sms" + id.bytes
