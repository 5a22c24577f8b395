"""Seed: shared with an authenticator app (TOTP) or a device that answers questions (OCRA).

Its secret is told once, while it is set up, and kept sealed. It counts only after a first right number
has shown that the customer really has it. A number of an app proves presence; an answer to a question
is about one thing the customer was shown.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote, urlencode
from uuid import UUID

import msgspec

from feiqian.access.factors.ocra import BadSuite, ocra, read_suite
from feiqian.access.factors.otp import hotp, same, step_of
from feiqian.access.factors.proof import Proof, Shown, WrongFactor, queries, sealing_of
from feiqian.access.factors.tries import Rule, TooManyTries, begin, forgive
from feiqian.kernel.book import Turn
from feiqian.kernel.errors import NotFound, Refused
from feiqian.kernel.ids import new_id, show
from feiqian.kernel.outbox import Outbox
from feiqian.kernel.secret import open_sealed, seal

Kind = Literal["totp", "ocra"]

SECRET_BYTES = {"totp": 20, "ocra": 32}  # as long as the MAC of each; authenticator apps take SHA-1 only
WINDOW = 1  # steps too early or too late that still pass
RULE = Rule(5, (timedelta(minutes=10), timedelta(hours=1), timedelta(hours=24)))
QUESTION_FOR = timedelta(minutes=10)

APP_SUITE = "OCRA-1:HOTP-SHA256-8:QH64"  # the whole digest, for an app that shows what it is about
KEYPAD_SUITE = "OCRA-1:HOTP-SHA256-8:QN08"  # eight digits, for a device that somebody types into


class SeedInUse(Refused):
    """Such an app or device is in use. Remove it before another is set up."""

    code, status, zh = "seed_in_use", 409, "已有同类验证器在使用，请先解除再重新绑定。"


class NewSeed(msgspec.Struct, frozen=True):
    """A seed that waits for its first right number. secret: told this once."""

    id: UUID
    kind: Kind
    secret: bytes

    def __repr__(self) -> str:
        return f"NewSeed(id={self.id}, kind={self.kind})"

    def uri(self, account: str, issuer: str = "feiqian") -> str:
        """What an authenticator app reads as a QR code. account: how the app names it; never a full phone."""
        text = base64.b32encode(self.secret).decode().rstrip("=")
        return (
            f"otpauth://totp/{quote(f'{issuer}:{account}')}?{urlencode({'secret': text, 'issuer': issuer})}"
        )


class Question(msgspec.Struct, frozen=True):
    """A question. question: what goes into it, in its suite's format."""

    id: UUID
    suite: str
    question: str
    expires_at: datetime


async def enrol(turn: Turn, party: UUID, kind: Kind, suite: str = APP_SUITE) -> NewSeed | Refused:
    """Begin to set up a seed; one begun before is dropped.

    suite: for ocra, with a question and nothing else. Refuses: SeedInUse, BadSuite.
    """
    if kind == "ocra":
        try:
            _check_suite(suite)
        except BadSuite as refusal:
            return refusal
    if await _active(turn, party, kind):
        return SeedInUse()
    await queries.drop_pending_seeds(turn.connection, party=party, kind=kind)
    new = NewSeed(new_id(), kind, secrets.token_bytes(SECRET_BYTES[kind]))
    sealed = seal(sealing_of(turn.book), new.secret, _about(new.id))
    await queries.add_seed(
        turn.connection,
        id=new.id,
        party=party,
        kind=kind,
        suite=suite if kind == "ocra" else None,
        sealed=sealed,
        at=turn.at,
    )
    return new


async def confirm(turn: Turn, party: UUID, id: UUID, given: str) -> Proof | Refused:
    """Take a new seed into use with its first right number; of ocra, the answer to `first_question`.

    Refuses: NotFound, WrongFactor, TooManyTries.
    """
    row = await queries.seed(turn.connection, id=id)
    if row is None or row["party"] != party or row["state"] != "pending":
        return NotFound()
    kind: Kind = row["kind"]
    refusal = await begin(turn, kind, party.bytes, RULE)
    if isinstance(refusal, TooManyTries):
        return refusal
    secret = open_sealed(sealing_of(turn.book), row["sealed"], _about(id))
    step = -1
    if kind == "totp":
        step = _step(secret, given, turn.at, row["last_step"])
        right = step >= 0
    else:
        right = same(given, ocra(row["suite"], secret, first_question(id, row["suite"])))
    if not right:
        return WrongFactor("code")
    await queries.use_seed(turn.connection, id=id, last_step=step)
    await _passed(turn, party, kind, "factor.added")
    return Proof(party, kind, turn.at)


async def check_totp(turn: Turn, party: UUID, given: str) -> Proof | Refused:
    """Check a number of the party's app: of this step, the one before or the next, each taken once.

    Refuses: WrongFactor, also for a party without an app; TooManyTries.
    """
    refusal = await begin(turn, "totp", party.bytes, RULE)
    if isinstance(refusal, TooManyTries):
        return refusal
    row = await _active(turn, party, "totp")
    if row is None:
        return WrongFactor("code")
    secret = open_sealed(sealing_of(turn.book), row["sealed"], _about(row["id"]))
    step = _step(secret, given, turn.at, row["last_step"])
    if step < 0:
        return WrongFactor("code")
    await queries.use_seed(turn.connection, id=row["id"], last_step=step)
    await _passed(turn, party, "totp")
    return Proof(party, "totp", turn.at)


async def ask(turn: Turn, party: UUID, shown: Shown) -> Question | Refused:
    """A question to the party's device about what it is shown, good for ten minutes; one before ends.

    Refuses: NotFound for a party without such a device.
    """
    row = await _active(turn, party, "ocra")
    if row is None:
        return NotFound("factor")
    nonce = secrets.token_bytes(16)
    asked = Question(
        new_id(), row["suite"], question_of(row["suite"], shown.digest() + nonce), turn.at + QUESTION_FOR
    )
    await queries.end_questions(turn.connection, seed=row["id"], at=turn.at)
    await queries.add_question(
        turn.connection,
        id=asked.id,
        seed=row["id"],
        about=shown.digest(),
        question=asked.question,
        expires_at=asked.expires_at,
    )
    return asked


async def check_answer(turn: Turn, party: UUID, question: UUID, shown: Shown, given: str) -> Proof | Refused:
    """Check the answer to a question. shown: what is to be done now, which must be what was asked about.

    A right answer uses the question up. Refuses: WrongFactor, also for a question that is another's,
    used, expired or about something else; TooManyTries.
    """
    refusal = await begin(turn, "ocra", party.bytes, RULE)
    if isinstance(refusal, TooManyTries):
        return refusal
    row = await queries.question(turn.connection, id=question)
    if row is None or row["party"] != party or row["state"] != "active":
        return WrongFactor("answer")
    if row["ended_at"] is not None or turn.at >= row["expires_at"] or row["about"] != shown.digest():
        return WrongFactor("answer")
    secret = open_sealed(sealing_of(turn.book), row["sealed"], _about(row["seed"]))
    if not same(given, ocra(row["suite"], secret, row["question"])):
        return WrongFactor("answer")
    await queries.end_questions(turn.connection, seed=row["seed"], at=turn.at)
    await _passed(turn, party, "ocra")
    return Proof(party, "ocra", turn.at, row["about"])


async def remove(turn: Turn, party: UUID, kind: Kind) -> None:
    """Take a party's seed out of use for good and forget its secret; nothing happens without one."""
    row = await _active(turn, party, kind)
    if row is None:
        return
    await queries.end_questions(turn.connection, seed=row["id"], at=turn.at)
    await queries.remove_seed(turn.connection, id=row["id"])
    await _tell(turn, "factor.removed", kind, party)


def question_of(suite: str, about: bytes) -> str:
    """A question in the suite's format and length that stands for this and nothing else."""
    read = read_suite(suite)
    digest = hashlib.sha256(about).digest()
    if read.question == "N":
        return str(int.from_bytes(digest, "big") % 10**read.question_max).zfill(read.question_max)
    return digest.hex()[: read.question_max]  # hexadecimal digits are letters and digits too


def first_question(id: UUID, suite: str) -> str:
    """What a new ocra seed is asked to be taken into use."""
    return question_of(suite, b"first" + id.bytes)


def _check_suite(suite: str) -> None:
    read = read_suite(suite)
    if read.counter or read.pin or read.session_bytes or read.step_seconds or not read.digits >= 6:
        raise BadSuite(
            "suite", reason="a device here takes a question alone and answers with 6 digits or more"
        )
    if read.question_max < 8:
        raise BadSuite("suite", reason="a question here has 8 characters or more")


def _step(secret: bytes, given: str, at: datetime, last: int) -> int:
    """The step whose number this is, -1 for none. last: that step and those before it are spent."""
    now, found = step_of(int(at.timestamp())), -1
    for step in range(now - WINDOW, now + WINDOW + 1):  # all of them, so that time tells nothing
        if same(given, hotp(secret, step)) and step > last:
            found = step
    return found


async def _active(turn: Turn, party: UUID, kind: Kind) -> Any:
    return await queries.active_seed(turn.connection, party=party, kind=kind)


def _about(id: UUID) -> bytes:
    return b"seed" + id.bytes


async def _passed(turn: Turn, party: UUID, kind: Kind, event: str | None = None) -> None:
    await forgive(turn, kind, party.bytes)
    if event:
        await _tell(turn, event, kind, party)


async def _tell(turn: Turn, event: str, kind: Kind, party: UUID) -> None:
    outbox = Outbox()
    outbox.tell(event, party, party, {"factor": {"kind": kind, "customer": show("cus", party)}})
    await outbox.write(turn)
