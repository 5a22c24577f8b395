"""Passkey: a key in the customer's authenticator that signs exactly what was shown (WebAuthn).

A challenge is a nonce followed by the digest of what is shown, so the signature covers payment, amount,
currency and payee. Any answer uses its challenge up, right or wrong.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec
from webauthn import generate_authentication_options, generate_registration_options, options_to_json
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from feiqian.access.factors.proof import Proof, Shown, WrongFactor, queries
from feiqian.access.factors.webauthn_check import (
    BadPasskey,
    CloneSuspected,
    Credential,
    RelyingParty,
    check_authentication,
    check_registration,
)
from feiqian.kernel.book import Turn
from feiqian.kernel.errors import NotFound, Refused
from feiqian.kernel.ids import new_id, show
from feiqian.kernel.outbox import Outbox

NONCE_BYTES = 32
LIVES = timedelta(minutes=10)
PASSKEYS_MAX = 10

State = Literal["active", "suspended", "removed"]


class TooManyPasskeys(Refused):
    """A customer has ten passkeys at most. Remove one that is no longer used."""

    code, status, zh = "too_many_passkeys", 409, "每位客户最多 10 个通行密钥，请先移除不再使用的。"


class PasskeyTaken(Refused):
    """This authenticator's key is registered already. Use it, or another authenticator."""

    code, status, zh = "passkey_taken", 409, "该通行密钥已登记，请直接使用或换一个验证器。"


class Passkey(msgspec.Struct, frozen=True):
    """A passkey as it stands."""

    id: UUID
    party: UUID
    credential: Credential
    state: State
    created_at: datetime
    used_at: datetime | None


class Asked(msgspec.Struct, frozen=True):
    """A challenge under way. options: JSON for navigator.credentials, to be handed on as it is."""

    id: UUID
    options: str
    expires_at: datetime


async def begin_registration(turn: Turn, party: UUID, name: str, rp: RelyingParty) -> Asked | Refused:
    """Ask for a new passkey. name: what the authenticator shows beside it; masked, not a full number.

    Refuses: TooManyPasskeys.
    """
    known = [one for one in await passkeys_of(turn.connection, party) if one.state != "removed"]
    if len(known) >= PASSKEYS_MAX:
        return TooManyPasskeys()
    challenge = secrets.token_bytes(NONCE_BYTES)
    options = generate_registration_options(
        rp_id=rp.id,
        rp_name=rp.name,
        user_id=party.bytes,
        user_name=name,
        challenge=challenge,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[_descriptor(one) for one in known],
    )
    return await _ask(turn, party, "register", b"", challenge, options_to_json(options))


async def finish_registration(
    turn: Turn, party: UUID, asked: UUID, answer: Mapping[str, Any], rp: RelyingParty
) -> Passkey | Refused:
    """Keep the new passkey.

    Refuses: WrongFactor for a challenge that is no longer good; BadPasskey; PasskeyTaken.
    """
    challenge = await _use_up(turn, party, asked, "register", b"")
    if challenge is None:
        return WrongFactor("challenge")
    try:
        made = check_registration(answer, challenge, rp)
    except BadPasskey as refusal:
        return refusal
    if await queries.passkey_by_credential(turn.connection, credential_id=made.credential_id):
        return PasskeyTaken()
    fresh = Passkey(new_id(), party, made, "active", turn.at, None)
    values = msgspec.structs.asdict(made)
    await queries.add_passkey(turn.connection, id=fresh.id, party=party, at=turn.at, **values)
    await _tell(turn, "passkey.added", fresh)
    return fresh


async def begin_confirmation(turn: Turn, party: UUID, shown: Shown, rp: RelyingParty) -> Asked | Refused:
    """Ask for a signature over what is shown. Refuses: NotFound for a party without a passkey."""
    usable = [one for one in await passkeys_of(turn.connection, party) if one.state == "active"]
    if not usable:
        return NotFound("passkey")
    about = shown.digest()
    challenge = secrets.token_bytes(NONCE_BYTES) + about
    options = generate_authentication_options(
        rp_id=rp.id,
        challenge=challenge,
        allow_credentials=[_descriptor(one) for one in usable],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return await _ask(turn, party, "confirm", about, challenge, options_to_json(options))


async def finish_confirmation(
    turn: Turn, party: UUID, asked: UUID, shown: Shown, answer: Mapping[str, Any], rp: RelyingParty
) -> Proof | Refused:
    """Check a signature. shown: what is to be done now, which must be what was signed.

    Refuses: WrongFactor for a challenge that is another's, used, expired or about something else, and
    for a passkey that is not the party's or not in use; BadPasskey; CloneSuspected, and suspends it.
    """
    challenge = await _use_up(turn, party, asked, "confirm", shown.digest())
    if challenge is None:
        return WrongFactor("challenge")
    row = await queries.passkey_by_credential(turn.connection, credential_id=_credential_id(answer))
    if row is None or row["party"] != party or row["state"] != "active":
        return WrongFactor("passkey")
    known = _as_passkey(row)
    try:
        after = check_authentication(answer, challenge, rp, known.credential, party.bytes)
    except CloneSuspected as refusal:
        await _set_state(turn, known, "suspended")
        return refusal
    except BadPasskey as refusal:
        return refusal
    await queries.use_passkey(
        turn.connection, id=known.id, sign_count=after.sign_count, backed_up=after.backed_up, at=turn.at
    )
    return Proof(party, "passkey", turn.at, shown.digest())


async def remove(turn: Turn, party: UUID, id: UUID) -> None:
    """Take a passkey out of use for good. Raises: NotFound."""
    for one in await passkeys_of(turn.connection, party):
        if one.id == id:
            if one.state != "removed":
                await _set_state(turn, one, "removed")
            return
    raise NotFound


async def passkeys_of(connection: Any, party: UUID) -> list[Passkey]:
    """All passkeys a party ever had, the oldest first."""
    return [_as_passkey(row) for row in await queries.passkeys_of(connection, party=party)]


async def _ask(turn: Turn, party: UUID, purpose: str, about: bytes, challenge: bytes, options: str) -> Asked:
    asked = Asked(new_id(), options, turn.at + LIVES)
    await queries.add_challenge(
        turn.connection,
        id=asked.id,
        party=party,
        purpose=purpose,
        about=about,
        challenge=challenge,
        expires_at=asked.expires_at,
    )
    return asked


async def _use_up(turn: Turn, party: UUID, id: UUID, purpose: str, about: bytes) -> bytes | None:
    """The challenge, which is good no more after this; None when it was not good for this."""
    row = await queries.use_challenge(turn.connection, id=id, party=party, purpose=purpose, at=turn.at)
    if row is None or turn.at >= row["expires_at"] or row["about"] != about:
        return None
    return bytes(row["challenge"])


async def _set_state(turn: Turn, before: Passkey, state: State) -> None:
    await queries.set_passkey_state(turn.connection, id=before.id, state=state)
    after = msgspec.structs.replace(before, state=state)
    await _tell(turn, "passkey.suspended" if state == "suspended" else "passkey.removed", after)


def _credential_id(answer: Mapping[str, Any]) -> bytes:
    try:
        return base64url_to_bytes(answer["rawId"])
    except Exception:
        return b""


def _descriptor(one: Passkey) -> PublicKeyCredentialDescriptor:
    return PublicKeyCredentialDescriptor(id=one.credential.credential_id)


def _as_passkey(row: Any) -> Passkey:
    credential = Credential(*(row[name] for name in Credential.__struct_fields__))
    return Passkey(row["id"], row["party"], credential, row["state"], row["created_at"], row["used_at"])


async def _tell(turn: Turn, type: str, one: Passkey) -> None:
    outbox = Outbox()
    shown = {
        "id": show("psk", one.id),
        "customer": show("cus", one.party),
        "state": one.state,
        "backup_eligible": one.credential.backup_eligible,
    }
    outbox.tell(type, one.id, one.party, {"passkey": shown})
    await outbox.write(turn)
