"""Who we are to push services: VAPID (RFC 8292)."""

import base64
import binascii
from typing import Any
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from secureconnect.infra.push.pem import read_p256
from secureconnect.kit.clock import Clock

__all__ = ["Vapid", "new_scalar", "read_private_key", "scalar_key", "scalar_of"]

_SCALAR_BYTES = 32
_LIFETIME = 12 * 3600  # of a token; services take at most 24 h
_USED = 6 * 3600
_REMEMBERED = 1000


def read_private_key(text: str) -> ec.EllipticCurvePrivateKey:
    """The key in `text`: base64url of the 32 raw bytes, or PEM.

    Raises:
        ValueError: it holds none on P-256.
    """
    if "-----BEGIN" in text:
        return read_p256(text)
    plain = text.strip().rstrip("=")
    try:
        raw = base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("is neither base64url nor PEM") from error
    return scalar_key(raw)


def scalar_key(raw: bytes) -> ec.EllipticCurvePrivateKey:
    """The key of 32 raw bytes.

    Raises:
        ValueError: these are not 32, or are no key on P-256.
    """
    if len(raw) != _SCALAR_BYTES:
        raise ValueError(f"is not {_SCALAR_BYTES} bytes")
    return ec.derive_private_key(int.from_bytes(raw), ec.SECP256R1())


def new_scalar() -> bytes:
    """A new key as 32 raw bytes."""
    return _raw(ec.generate_private_key(ec.SECP256R1()))


def scalar_of(text: str) -> bytes:
    """The key in `text` as 32 raw bytes; see `read_private_key`."""
    return _raw(read_private_key(text))


def _raw(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_numbers().private_value.to_bytes(_SCALAR_BYTES)


class Vapid:
    """Signs requests to push services.

    Args:
        subject: `mailto:` or `https:`, whom a push service may turn to; empty for none.
    """

    def __init__(self, key: ec.EllipticCurvePrivateKey, subject: str, clock: Clock) -> None:
        self._key = key
        self._subject = subject
        self._clock = clock
        point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        #: What browsers call the application server key, base64url.
        self.public_key = base64.urlsafe_b64encode(point).rstrip(b"=").decode()
        self._tokens: dict[str, tuple[str, int]] = {}

    def authorization(self, endpoint: str) -> str:
        """The header `Authorization` for this endpoint."""
        parts = urlsplit(endpoint)
        origin = f"{parts.scheme}://{parts.netloc}"
        now = self._clock.now() // 1000
        token, until = self._tokens.get(origin, ("", 0))
        if now >= until or now < until - _USED:  # used up, or the clock was put back
            claims: dict[str, Any] = {"aud": origin, "exp": now + _LIFETIME}
            if self._subject:
                claims["sub"] = self._subject
            token = jwt.encode(claims, self._key, algorithm="ES256")
            if len(self._tokens) >= _REMEMBERED:
                self._tokens.clear()
            self._tokens[origin] = token, now + _USED
        return f"vapid t={token}, k={self.public_key}"
