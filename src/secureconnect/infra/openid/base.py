"""The OpenID port: sends people to a provider and learns who came back (OpenID Connect Core 1.0, §3.1)."""

from typing import Protocol

from msgspec import Struct

__all__ = ["AuthorizationRequest", "Identity", "OpenIdProvider", "ProviderAway", "ProviderRefused"]


class AuthorizationRequest(Struct, frozen=True):
    """What a login at the provider is bound to. `challenge` is the S256 one of RFC 7636."""

    redirect_uri: str
    state: str
    nonce: str
    challenge: str


class Identity(Struct, frozen=True):
    """Who the provider says it is. `subject` stays the same for ever and is unique at this provider.

    `email` is given exactly when the provider vouches for it; `username` and `name` are only suggestions.
    """

    subject: str
    email: str | None = None
    username: str | None = None
    name: str | None = None


class ProviderAway(Exception):
    """The provider gives no answer in time, or says that it cannot now. `reason` is for the log."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class ProviderRefused(Exception):
    """The provider does not take the code, or what it answers proves nothing. `reason` is for the log, and
    holds no token and no name."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class OpenIdProvider(Protocol):
    """One provider. Both calls end within some seconds."""

    async def authorization_url(self, request: AuthorizationRequest) -> str:
        """Where a browser has to go.

        Raises:
            ProviderAway, ProviderRefused.
        """

    async def identify(
        self, *, code: str, redirect_uri: str, verifier: str, nonce: str, issuer: str | None
    ) -> Identity:
        """Redeem a code and check the ID token that it stands for.

        Args:
            issuer: who says that it sent the code (`iss` of RFC 9207), if anybody did.

        Raises:
            ProviderAway, ProviderRefused.
        """

    async def close(self) -> None:
        """Drop connections."""
