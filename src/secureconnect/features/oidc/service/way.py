"""To a provider, and back with what it says."""

import secrets
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.features.oidc import rules
from secureconnect.features.oidc.service.tickets import OidcTickets, Outward, Proof
from secureconnect.infra.database.base import Database
from secureconnect.infra.openid.base import (
    AuthorizationRequest,
    Identity,
    OpenIdProvider,
    ProviderAway,
    ProviderRefused,
)
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.errors import ApiError, ErrorCode, invalid
from secureconnect.kit.principal import RequestContext

__all__ = ["NamedProvider", "Way"]

log = get_logger()


class FailureMetrics(Protocol):
    """Counts logins that came to nothing."""

    def authentication_failed(self, method: str, reason: str) -> None:
        """One failure."""


class NamedProvider(Struct, frozen=True):
    """A provider; `id` stands in paths, `name` on buttons."""

    id: str
    name: str
    client: OpenIdProvider


class Way:
    """Leads browsers to providers and back to the application that sent them.

    Args:
        redirect_uris: where applications may be; nothing else is ever redirected to.
        public_url: where providers send people back to.
    """

    def __init__(
        self,
        database: Database,
        providers: Sequence[NamedProvider],
        tickets: OidcTickets,
        audit: Audit,
        metrics: FailureMetrics,
        *,
        redirect_uris: Sequence[str],
        public_url: str,
    ) -> None:
        self._database = database
        self._providers = {provider.id: provider for provider in providers}
        self._tickets = tickets
        self._audit = audit
        self._metrics = metrics
        self._redirect_uris = frozenset(redirect_uris)
        self._public_url = public_url.rstrip("/")

    def providers(self) -> list[NamedProvider]:
        """Those of the settings, in their order."""
        return list(self._providers.values())

    async def close(self) -> None:
        """Drop the connections to providers."""
        for provider in self._providers.values():
            await provider.client.close()

    async def start(
        self, provider_id: str, context: RequestContext, *, redirect_uri: str, challenge: str | None
    ) -> str:
        """Where a browser has to go: to the provider, or back with an error when that is away.

        Args:
            challenge: the S256 challenge whose verifier the exchange shall need.

        Raises:
            ApiError: `NOT_FOUND`; `VALIDATION_ERROR` for a `redirect_uri` that is not listed.
        """
        provider = self._provider(provider_id)
        if redirect_uri not in self._redirect_uris:
            raise invalid("redirect_uri", "is not in auth.oidc_redirect_uris")
        nonce, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        outward = Outward(provider_id, redirect_uri, nonce, verifier, challenge)
        state = await self._database.write(lambda tx: self._tickets.leave_in(tx, outward))
        request = AuthorizationRequest(
            self._callback(provider_id), state, nonce, rules.challenge_of(verifier)
        )
        try:
            return await provider.client.authorization_url(request)
        except (ProviderAway, ProviderRefused) as failure:
            return self._failed(outward, failure, context)

    async def come_back(
        self,
        provider_id: str,
        context: RequestContext,
        *,
        state: str,
        code: str | None,
        error: str | None,
        issuer: str | None,
    ) -> str:
        """Where the browser goes on to: to the application, with a code for the exchange or an error.

        Raises:
            ApiError: `NOT_FOUND`; `VALIDATION_ERROR` for a `state` that is unknown, too old, used, or of a
                login at another provider.
        """
        provider = self._provider(provider_id)
        if code is None and error is None:
            raise invalid("code", "is required")
        outward = await self._database.write(lambda tx: self._tickets.return_in(tx, state, provider_id))
        if outward is None:
            raise invalid("state", "is unknown, too old or used")
        if error is not None or code is None:
            return self._denied(outward, error or "", context)
        try:
            identity = await provider.client.identify(
                code=code,
                redirect_uri=self._callback(provider_id),
                verifier=outward.verifier,
                nonce=outward.nonce,
                issuer=issuer,
            )
        except (ProviderAway, ProviderRefused) as failure:
            return self._failed(outward, failure, context)
        return await self._proved(outward, identity)

    async def _proved(self, outward: Outward, identity: Identity) -> str:
        proof = Proof(outward.provider, identity, outward.challenge)
        code = await self._database.write(lambda tx: self._tickets.prove_in(tx, proof))
        return rules.with_query(outward.redirect_uri, code=code)

    def _denied(self, outward: Outward, error: str, context: RequestContext) -> str:
        """The provider sent the browser back without a code."""
        failure = rules.failure_of(error)
        self._metrics.authentication_failed("oidc", "other")
        self._record(outward, failure, context)
        return rules.with_query(outward.redirect_uri, error=failure)

    def _failed(
        self, outward: Outward, failure: ProviderAway | ProviderRefused, context: RequestContext
    ) -> str:
        """The provider does not answer, or answers what proves nothing."""
        away = isinstance(failure, ProviderAway)
        log.warning("openid provider failed", provider=outward.provider, away=away, reason=failure.reason)
        self._metrics.authentication_failed("oidc", "other" if away else "invalid")
        said: rules.Failure = "temporarily_unavailable" if away else "server_error"
        self._record(outward, said, context)
        return rules.with_query(outward.redirect_uri, error=said)

    def _record(self, outward: Outward, failure: rules.Failure, context: RequestContext) -> None:
        self._audit.record(
            AuditEntry(
                event="login_failed",
                result="failure",
                reason=failure,
                actor_type="anonymous",
                target_type="user",
                context=context,
                details={"method": "oidc", "provider": outward.provider},
            )
        )

    def _provider(self, provider_id: str) -> NamedProvider:
        provider = self._providers.get(provider_id)
        if provider is None:
            raise ApiError(ErrorCode.NOT_FOUND, "There is no such provider.")
        return provider

    def _callback(self, provider_id: str) -> str:
        return f"{self._public_url}/v1/auth/oidc/{provider_id}/callback"
