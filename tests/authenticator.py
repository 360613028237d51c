"""A passkey in software: WebAuthn level 2 as a browser and an authenticator do it, with ES256.

It shares no code with what it tests: it writes its own CBOR and signs with `cryptography` directly. Faults
are made by asking for them: another origin, no user verification, a counter that stands still.
"""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

__all__ = ["Authenticator", "Credential", "InvalidState", "b64", "cbor", "unb64"]

_PRESENT, _VERIFIED, _ATTESTED = 0x01, 0x04, 0x40


class InvalidState(Exception):
    """The authenticator holds one of the excluded credentials."""


@dataclass
class Credential:
    """A key that lives on an authenticator."""

    rp_id: str
    user_handle: bytes
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    sign_count: int = 0


class Authenticator:
    """A browser at `origin` with a built-in authenticator."""

    def __init__(self, origin: str, *, counts: bool = True) -> None:
        self.origin = origin
        self.counts = counts
        self.credentials: list[Credential] = []

    def create(
        self, options: dict[str, Any], *, origin: str | None = None, verified: bool = True
    ) -> dict[str, Any]:
        """`navigator.credentials.create({publicKey: …}).toJSON()`."""
        rp_id = options["rp"]["id"]
        assert {"type": "public-key", "alg": -7} in options["pubKeyCredParams"]
        known = {credential.id for credential in self.credentials}
        if known & {unb64(excluded["id"]) for excluded in options.get("excludeCredentials", [])}:
            raise InvalidState
        credential = Credential(rp_id, unb64(options["user"]["id"]))
        self.credentials.append(credential)
        self._count(credential)
        point = credential.key.public_key().public_numbers()
        public_key = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)}
        attested = bytes(16) + len(credential.id).to_bytes(2) + credential.id + cbor(public_key)
        data = self._data(credential, _ATTESTED | _PRESENT | (_VERIFIED if verified else 0)) + attested
        attestation = cbor({"fmt": "none", "attStmt": {}, "authData": data})
        client_data = self._client_data("webauthn.create", options["challenge"], origin)
        return {
            "id": b64(credential.id),
            "rawId": b64(credential.id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {"credProps": {"rk": True}},
            "response": {
                "clientDataJSON": b64(client_data),
                "attestationObject": b64(attestation),
                "transports": ["internal"],
            },
        }

    def get(
        self,
        options: dict[str, Any],
        credential: Credential | None = None,
        *,
        origin: str | None = None,
        verified: bool = True,
        handle: bytes | None = None,
    ) -> dict[str, Any]:
        """`navigator.credentials.get({publicKey: …}).toJSON()`, by default with the newest credential."""
        chosen = credential or next(one for one in reversed(self.credentials) if one.rp_id == options["rpId"])
        self._count(chosen)
        data = self._data(chosen, _PRESENT | (_VERIFIED if verified else 0))
        client_data = self._client_data("webauthn.get", options["challenge"], origin)
        signed = data + hashlib.sha256(client_data).digest()
        signature = chosen.key.sign(signed, ec.ECDSA(hashes.SHA256()))
        return {
            "id": b64(chosen.id),
            "rawId": b64(chosen.id),
            "type": "public-key",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": b64(client_data),
                "authenticatorData": b64(data),
                "signature": b64(signature),
                "userHandle": b64(handle or chosen.user_handle),
            },
        }

    def _count(self, credential: Credential) -> None:
        credential.sign_count += self.counts

    def _data(self, credential: Credential, flags: int) -> bytes:
        rp_hash = hashlib.sha256(credential.rp_id.encode()).digest()
        return rp_hash + bytes([flags]) + credential.sign_count.to_bytes(4)

    def _client_data(self, kind: str, challenge: str, origin: str | None) -> bytes:
        fields = {
            "type": kind,
            "challenge": challenge,
            "origin": origin or self.origin,
            "crossOrigin": False,
        }
        return json.dumps(fields, separators=(",", ":")).encode()


def b64(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """The bytes again."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def cbor(value: int | bytes | str | dict[Any, Any]) -> bytes:
    """The part of CBOR (RFC 8949) that WebAuthn writes."""
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    return _head(5, len(value)) + b"".join(cbor(key) + cbor(inner) for key, inner in value.items())


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    size = 1 if number < 1 << 8 else 2 if number < 1 << 16 else 4
    return bytes([major << 5 | {1: 24, 2: 25, 4: 26}[size]]) + number.to_bytes(size)
