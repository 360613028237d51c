"""The tokens that Apple knows us by (RFC 7519, ES256)."""

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from secureconnect.kit.clock import Clock

__all__ = ["ProviderTokens"]

_USED = 45 * 60  # seconds; Apple wants a new token after 20 to 60 minutes, not earlier and not later


class ProviderTokens:
    """Tokens for APNs, each used as long as Apple wants."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, key_id: str, team_id: str, clock: Clock) -> None:
        self._key = key
        self._key_id = key_id
        self._team_id = team_id
        self._clock = clock
        self._token = ""
        self._issued = 0

    def get(self) -> str:
        """The token to send now."""
        now = self._clock.now() // 1000
        if not self._token or not self._issued <= now < self._issued + _USED:
            claims = {"iss": self._team_id, "iat": now}
            self._token = jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": self._key_id})
            self._issued = now
        return self._token

    def expired(self, token: str) -> None:
        """Apple says that this token is too old."""
        if token == self._token:
            self._token = ""
