"""What a provider publishes of itself: addresses (OpenID Connect Discovery 1.0) and keys (RFC 7517)."""

import asyncio
from typing import Any, Final

from msgspec import Struct

from secureconnect.infra.openid.base import ProviderAway, ProviderRefused
from secureconnect.infra.openid.fetch import Fetcher
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.clock import Clock

__all__ = ["Directory", "Metadata"]

log = get_logger()

_METADATA_SECONDS: Final = 3600
_KEYS_SECONDS: Final = 900
_RETRY_SECONDS: Final = 60
#: So often, at most, an unknown key makes us ask again.
_PATIENCE: Final = 10


class Metadata(Struct, frozen=True):
    """The addresses of a provider and how it wants to be asked."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: list[str] | None = None
    authorization_response_iss_parameter_supported: bool = False


class _KeySet(Struct):
    keys: list[dict[str, Any]]


class Directory:
    """Remembers both, and asks again when they are old or a key is unknown.

    A provider that cannot be asked leaves what is known in force; keys no longer than an hour.
    """

    def __init__(self, issuer: str, fetcher: Fetcher, clock: Clock) -> None:
        self._issuer = issuer
        self._fetcher = fetcher
        self._clock = clock
        self._turn = asyncio.Lock()
        self._metadata: Metadata | None = None
        self._metadata_at = 0.0
        self._keys: list[dict[str, Any]] | None = None
        self._keys_at = 0.0

    async def metadata(self) -> Metadata:
        """The provider's addresses.

        Raises:
            ProviderAway, ProviderRefused.
        """
        async with self._turn:
            known = self._metadata
            if known is not None and self._clock.monotonic() - self._metadata_at < _METADATA_SECONDS:
                return known
            try:
                self._metadata = await self._discover()
            except ProviderAway as away:
                if known is None:
                    raise
                self._metadata_at += _RETRY_SECONDS
                log.info("openid provider keeps its old addresses", issuer=self._issuer, reason=away.reason)
                return known
            self._metadata_at = self._clock.monotonic()
            return self._metadata

    async def keys(self, kid: str | None) -> list[dict[str, Any]]:
        """The keys that a token which names `kid` may be signed with; empty for an unknown one.

        Raises:
            ProviderAway, ProviderRefused.
        """
        metadata = await self.metadata()
        async with self._turn:
            age = self._clock.monotonic() - self._keys_at
            found = _named(self._keys or [], kid)
            if self._keys is not None and age < (_KEYS_SECONDS if found else _PATIENCE):
                return found
            try:
                answer = await self._fetcher.get(metadata.jwks_uri, _KeySet)
            except ProviderAway:
                if found and age < _METADATA_SECONDS:
                    return found
                raise
            self._keys, self._keys_at = answer.keys, self._clock.monotonic()
            return _named(answer.keys, kid)

    async def _discover(self) -> Metadata:
        url = self._issuer.removesuffix("/") + "/.well-known/openid-configuration"
        metadata = await self._fetcher.get(self._fetcher.require(url, "issuer"), Metadata)
        if metadata.issuer != self._issuer:
            raise ProviderRefused("the provider calls itself by another issuer than the settings")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"):
            address = getattr(metadata, name)
            if address is not None:
                self._fetcher.require(address, name)
        return metadata


def _named(keys: list[dict[str, Any]], kid: str | None) -> list[dict[str, Any]]:
    return [key for key in keys if kid is None or key.get("kid") == kid]
