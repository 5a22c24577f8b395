"""WebAuthn check: whether what an authenticator answered is good. Pure; the sums are py_webauthn's.

Beyond the library: no embedding in foreign pages, backup flags that never change, the owner's handle,
and a counter that is judged only after the signature, so that a forged answer cannot cry clone.
Source: W3C Web Authentication Level 3, 7.1 and 7.2.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec
from webauthn import verify_authentication_response, verify_registration_response
from webauthn.helpers import base64url_to_bytes, parse_authenticator_data
from webauthn.helpers.structs import CredentialDeviceType

from feiqian.kernel.errors import Refused

T = TypeVar("T")

CREDENTIAL_ID_BYTES_MAX = 1023


class BadPasskey(Refused):
    """The answer of the authenticator cannot be taken. The reason is named; begin anew."""

    code, status, zh = "bad_passkey", 422, "无法接受该通行密钥的应答，原因见说明，请重新发起。"


class CloneSuspected(BadPasskey):
    """This passkey may have been copied. It is suspended; use another factor and set up a new passkey."""

    code, status, zh = "passkey_clone", 422, "该通行密钥可能已被复制，现已停用；请换其他验证方式并重新设置。"


class RelyingParty(msgspec.Struct, frozen=True):
    """Who asks. id: a domain. origins: pages that may ask. embedding: pages that may embed those.

    verifies: whether the user must be verified, by finger, face or PIN; for payments always.
    """

    id: str
    name: str
    origins: tuple[str, ...]
    embedding: tuple[str, ...] = ()
    verifies: bool = True


class Credential(msgspec.Struct, frozen=True):
    """A public key of an authenticator. public_key: COSE. sign_count: 0 for one that does not count."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    aaguid: str
    backup_eligible: bool
    backed_up: bool


def check_registration(answer: Mapping[str, Any], challenge: bytes, rp: RelyingParty) -> Credential:
    """The new credential. answer: as the browser's toJSON gives it. Raises: BadPasskey."""
    _check_embedding(answer, rp)
    made = _run(
        lambda: verify_registration_response(
            credential=dict(answer),
            expected_challenge=challenge,
            expected_rp_id=rp.id,
            expected_origin=list(rp.origins),
            require_user_verification=rp.verifies,
        ),
        "attestation",
    )
    if not 1 <= len(made.credential_id) <= CREDENTIAL_ID_BYTES_MAX:
        raise BadPasskey("credential", reason="credential_id")
    if made.credential_id != _run(lambda: base64url_to_bytes(answer["rawId"]), "malformed"):
        raise BadPasskey("credential", reason="credential_id")
    return Credential(
        made.credential_id,
        made.credential_public_key,
        made.sign_count,
        made.aaguid,
        made.credential_device_type == CredentialDeviceType.MULTI_DEVICE,
        made.credential_backed_up,
    )


def check_authentication(
    answer: Mapping[str, Any], challenge: bytes, rp: RelyingParty, known: Credential, owner: bytes
) -> Credential:
    """The credential as it stands after this. owner: the handle it was registered for.

    Raises: BadPasskey; CloneSuspected when a good signature comes with a counter that did not grow.
    """
    _check_embedding(answer, rp)
    handle = answer["response"].get("userHandle")
    if handle and _run(lambda: base64url_to_bytes(handle), "malformed") != owner:
        raise BadPasskey("credential", reason="owner")
    if _run(lambda: base64url_to_bytes(answer["rawId"]), "malformed") != known.credential_id:
        raise BadPasskey("credential", reason="credential_id")
    seen = _run(
        lambda: verify_authentication_response(
            credential=dict(answer),
            expected_challenge=challenge,
            expected_rp_id=rp.id,
            expected_origin=list(rp.origins),
            credential_public_key=known.public_key,
            credential_current_sign_count=0,
            require_user_verification=rp.verifies,
        ),
        "malformed",
    )
    data = parse_authenticator_data(base64url_to_bytes(answer["response"]["authenticatorData"]))
    if data.flags.be != known.backup_eligible:
        raise BadPasskey("credential", reason="backup_eligibility")
    if (seen.new_sign_count or known.sign_count) and seen.new_sign_count <= known.sign_count:
        raise CloneSuspected("credential")
    return msgspec.structs.replace(known, sign_count=seen.new_sign_count, backed_up=seen.credential_backed_up)


# How the library begins to say what is wrong, and our word for it; what it quotes is the caller's.
_REASONS = (
    ("Unexpected client data type", "type"),
    ("Client data challenge", "challenge"),
    ("Unexpected client data origin", "origin"),
    ("Unexpected RP ID hash", "relying_party"),
    ("User presence was required", "user_presence"),
    ("User was not present", "user_presence"),
    ("User verification is required", "user_verification"),
    ("Could not verify authentication signature", "signature"),
    ("Unsupported credential public key alg", "algorithm"),
    ("clientDataJSON was malformed", "malformed"),
    ("attestationObject was malformed", "malformed"),
    ("authenticatorData was malformed", "malformed"),
    ("id and raw_id were not equivalent", "malformed"),
    ("Unexpected credential type", "malformed"),
    ("Credential was ", "malformed"),
)


def _run(work: Callable[[], T], otherwise: str) -> T:
    try:
        return work()
    except Exception as error:  # The library's parsers raise whatever strange bytes make them raise.
        reason = next((ours for theirs, ours in _REASONS if str(error).startswith(theirs)), otherwise)
        raise BadPasskey("credential", reason=reason) from None


def _check_embedding(answer: Mapping[str, Any], rp: RelyingParty) -> None:
    try:
        data = json.loads(base64url_to_bytes(answer["response"]["clientDataJSON"]))
        cross, top = data.get("crossOrigin", False), data.get("topOrigin")
    except Exception:
        raise BadPasskey("credential", reason="malformed") from None
    if cross is not False and not (cross is True and rp.embedding):
        raise BadPasskey("credential", reason="embedded")
    if top is not None and not (cross and top in rp.embedding):
        raise BadPasskey("credential", reason="embedded")
