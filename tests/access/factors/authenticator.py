"""A software authenticator with keys of its own, and a way to get each field of an answer wrong."""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

ORIGIN, RP_ID = "https://pay.example", "pay.example"
UP, UV, BE, BS, AT = 1, 4, 8, 16, 64


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Authenticator:
    """One key, ES256, that counts."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = secrets.token_bytes(32)
        self.count = 0
        self.flags = UP | UV | BE | BS

    def register(self, options: str, **wrong: Any) -> dict[str, Any]:
        """The answer to navigator.credentials.create."""
        asked = json.loads(options)
        numbers = self.key.public_key().public_numbers()
        x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
        cose = cbor2.dumps({1: 2, 3: wrong.get("alg", -7), -1: 1, -2: x, -3: y})
        about = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cose
        data = self._data({"flags": self.flags | AT, "count": 0, **wrong}) + about
        statement = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client(asked, {"type": "webauthn.create", **wrong})
        return self._answer({"clientDataJSON": b64(client), "attestationObject": b64(statement)}, wrong)

    def sign(self, options: str, **wrong: Any) -> dict[str, Any]:
        """The answer to navigator.credentials.get."""
        self.count += 1
        data = self._data({"flags": self.flags, "count": self.count, **wrong})
        client = self._client(json.loads(options), {"type": "webauthn.get", **wrong})
        signed = data + hashlib.sha256(client).digest()
        signature = wrong.get("signature") or wrong.get("key", self.key).sign(
            signed, ec.ECDSA(hashes.SHA256())
        )
        response = {
            "clientDataJSON": b64(client),
            "authenticatorData": b64(data),
            "signature": b64(signature),
        }
        if "handle" in wrong:
            response["userHandle"] = b64(wrong["handle"])
        return self._answer(response, wrong)

    def _answer(self, response: dict[str, str], wrong: dict[str, Any]) -> dict[str, Any]:
        id = b64(wrong.get("id", self.id))
        return {"id": id, "rawId": wrong.get("raw_id", id), "type": "public-key", "response": response}

    def _data(self, given: dict[str, Any]) -> bytes:
        rp = hashlib.sha256(given.get("rp_id", RP_ID).encode()).digest()
        return rp + bytes([given["flags"]]) + int(given["count"]).to_bytes(4, "big")

    def _client(self, asked: dict[str, Any], given: dict[str, Any]) -> bytes:
        data = {
            "type": given["type"],
            "challenge": given.get("challenge", asked["challenge"]),
            "origin": given.get("origin", ORIGIN),
            "crossOrigin": given.get("cross", False),
        }
        if "top" in given:
            data["topOrigin"] = given["top"]
        return json.dumps(data).encode()
