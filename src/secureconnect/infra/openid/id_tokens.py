"""Whether an ID token proves what it says (OpenID Connect Core 1.0, §3.1.3.7)."""

import hmac
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

import jwt
import msgspec
from msgspec import Struct

from secureconnect.infra.openid.base import ProviderRefused
from secureconnect.kit.clock import Clock

__all__ = ["Claims", "IdTokens"]

#: Algorithm → type and curve of its keys. Nothing symmetric, and never `none`.
_ALGORITHMS: Final = {"RS256": ("RSA", None), "ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519")}
#: How far clocks may be apart, in seconds.
_LEEWAY: Final = 60
_SUBJECT: Final = re.compile(r"[\x20-\x7e]{1,255}")

Keys = Callable[[str | None], Awaitable[list[dict[str, Any]]]]


class Claims(Struct, frozen=True):
    """What we read of an ID token or of the answer of the userinfo endpoint."""

    sub: str
    email: str | None = None
    # Some providers write the boolean as text.
    email_verified: bool | str | None = None
    preferred_username: str | None = None
    name: str | None = None


class _IdToken(Claims, frozen=True, kw_only=True):
    iss: str
    aud: str | list[str]
    exp: float
    iat: float
    nonce: str
    azp: str | None = None
    nbf: float | None = None


class IdTokens:
    """Checks the ID tokens that one provider makes for us.

    Args:
        keys: the provider's keys by `kid`.
    """

    def __init__(self, issuer: str, client_id: str, keys: Keys, clock: Clock) -> None:
        self._issuer = issuer
        self._client_id = client_id
        self._keys = keys
        self._clock = clock
        self._jws = jwt.PyJWS(options={"enforce_minimum_key_length": True})

    async def verify(self, token: str, nonce: str) -> Claims:
        """The claims of `token`.

        Raises:
            ProviderRefused: it is not signed by the provider, not for us, not for this login, or too old.
            ProviderAway: the keys cannot be had.
        """
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, RecursionError) as error:
            raise ProviderRefused("the ID token is no JWT") from error
        algorithm, kid = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS:
            raise ProviderRefused("the ID token is signed with an algorithm that is not allowed")
        candidates = [key for key in await self._keys(kid) if _fits(key, algorithm)]
        if not candidates:
            raise ProviderRefused("the ID token is signed with a key that the provider does not publish")
        opened = (self._signed(token, key, algorithm) for key in candidates)
        payload = next((payload for payload in opened if payload is not None), None)
        if payload is None:
            raise ProviderRefused("the signature of the ID token is wrong")
        try:
            claims = msgspec.json.decode(payload, type=_IdToken)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ProviderRefused("the ID token lacks claims") from error
        self._check(claims, nonce)
        return claims

    def _signed(self, token: str, key: dict[str, Any], algorithm: str) -> bytes | None:
        try:
            published = jwt.PyJWK(key, algorithm=algorithm)
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError) as error:  # parts of any JSON type
            raise ProviderRefused("a key of the provider is malformed") from error
        try:
            payload: bytes = self._jws.decode(token, published, algorithms=[algorithm])
        except jwt.PyJWTError:
            return None
        return payload

    def _check(self, claims: _IdToken, nonce: str) -> None:
        now = self._clock.now() / 1000
        audience = [claims.aud] if isinstance(claims.aud, str) else claims.aud
        if not _SUBJECT.fullmatch(claims.sub):
            raise ProviderRefused("the subject is not of 1 to 255 ASCII characters")
        if claims.iss != self._issuer:
            raise ProviderRefused("the ID token has another issuer")
        if self._client_id not in audience:
            raise ProviderRefused("the ID token is for another client")
        if (len(audience) > 1 or claims.azp is not None) and claims.azp != self._client_id:
            raise ProviderRefused("the ID token was made for another client")
        if claims.exp + _LEEWAY <= now:
            raise ProviderRefused("the ID token has expired")
        if max(claims.iat, claims.nbf or 0) - _LEEWAY > now:
            raise ProviderRefused("the ID token is from the future")
        if not hmac.compare_digest(claims.nonce.encode("utf-8", "surrogatepass"), nonce.encode()):
            raise ProviderRefused("the ID token belongs to another login")


def _fits(key: dict[str, Any], algorithm: str) -> bool:
    """Whether a published key is meant for signatures of this kind."""
    return (
        (key.get("kty"), key.get("crv")) == _ALGORITHMS[algorithm]
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
    )
