"""The code flow with PKCE at one provider."""

import asyncio
from typing import Final
from urllib.parse import quote_plus, urlencode, urlsplit

from msgspec import Struct

from secureconnect.infra.openid.base import AuthorizationRequest, Identity, ProviderAway, ProviderRefused
from secureconnect.infra.openid.directory import Directory, Metadata
from secureconnect.infra.openid.fetch import Fetcher
from secureconnect.infra.openid.id_tokens import Claims, IdTokens
from secureconnect.kit.clock import Clock

__all__ = ["OpenIdClient", "Registration"]

#: For everything that one call asks of the provider, in seconds.
_TIMEOUT: Final = 10.0


class Registration(Struct, frozen=True):
    """How the provider knows us. Without `client_secret` we are a public client."""

    issuer: str
    client_id: str
    client_secret: str
    scopes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Registration({self.issuer!r}, {self.client_id!r})"


class _Tokens(Struct):
    id_token: str
    access_token: str | None = None


class OpenIdClient:
    """Implements `OpenIdProvider`. Nothing is asked before the first login.

    Args:
        allow_http: whether the provider may be reached without TLS; on this machine it always may.
        timeout: seconds for all that one call asks.
    """

    def __init__(
        self, registration: Registration, clock: Clock, *, allow_http: bool, timeout: float = _TIMEOUT
    ) -> None:
        self._registration = registration
        self._timeout = timeout
        self._fetcher = Fetcher(allow_http=allow_http)
        self._directory = Directory(registration.issuer, self._fetcher, clock)
        self._id_tokens = IdTokens(registration.issuer, registration.client_id, self._directory.keys, clock)

    async def authorization_url(self, request: AuthorizationRequest) -> str:
        try:
            async with asyncio.timeout(self._timeout):
                endpoint = (await self._directory.metadata()).authorization_endpoint
        except TimeoutError as error:
            raise ProviderAway("no answer in time") from error
        query = {
            "response_type": "code",
            "client_id": self._registration.client_id,
            "redirect_uri": request.redirect_uri,
            "scope": " ".join(dict.fromkeys(("openid", *self._registration.scopes))),
            "state": request.state,
            "nonce": request.nonce,
            "code_challenge": request.challenge,
            "code_challenge_method": "S256",
        }
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"

    async def identify(
        self, *, code: str, redirect_uri: str, verifier: str, nonce: str, issuer: str | None
    ) -> Identity:
        try:
            async with asyncio.timeout(self._timeout):
                metadata = await self._directory.metadata()
                if issuer != self._registration.issuer and (
                    issuer is not None or metadata.authorization_response_iss_parameter_supported
                ):
                    raise ProviderRefused("the code comes from another issuer")
                tokens = await self._redeem(metadata, code, redirect_uri, verifier)
                claims = await self._id_tokens.verify(tokens.id_token, nonce)
                return _identity(await self._completed(metadata, claims, tokens.access_token))
        except TimeoutError as error:
            raise ProviderAway("no answer in time") from error

    async def close(self) -> None:
        await self._fetcher.close()

    async def _redeem(self, metadata: Metadata, code: str, redirect_uri: str, verifier: str) -> _Tokens:
        """RFC 6749, §4.1.3 and §2.3.1."""
        known = self._registration
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        basic = None
        methods = metadata.token_endpoint_auth_methods_supported
        if not known.client_secret:
            form["client_id"] = known.client_id
        elif methods is None or "client_secret_basic" in methods:
            basic = (quote_plus(known.client_id), quote_plus(known.client_secret))
        else:
            form |= {"client_id": known.client_id, "client_secret": known.client_secret}
        return await self._fetcher.post(metadata.token_endpoint, _Tokens, form, basic=basic)

    async def _completed(self, metadata: Metadata, claims: Claims, access_token: str | None) -> Claims:
        """The claims with those that many providers give only where one asks for them (§5.3 and §5.4)."""
        userinfo = (
            metadata.userinfo_endpoint if {"email", "profile"} & set(self._registration.scopes) else None
        )
        if claims.email is not None or userinfo is None or access_token is None:
            return claims
        more = await self._fetcher.get(userinfo, Claims, bearer=access_token)
        if more.sub != claims.sub:
            raise ProviderRefused("the userinfo is about somebody else")
        return Claims(
            claims.sub,
            more.email,
            more.email_verified,
            claims.preferred_username or more.preferred_username,
            claims.name or more.name,
        )


def _identity(claims: Claims) -> Identity:
    verified = claims.email_verified is True or claims.email_verified == "true"
    return Identity(claims.sub, claims.email if verified else None, claims.preferred_username, claims.name)
