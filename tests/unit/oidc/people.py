"""Single sign-on in the world of auth, with a provider that says what a test wants."""

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from secureconnect.features.auth.api import Entered, SecondStep
from secureconnect.features.oidc.service import Exchange, NamedProvider, OidcTickets, Way
from secureconnect.features.sessions.service import OneTime
from secureconnect.infra.openid.base import AuthorizationRequest, Identity
from secureconnect.kit.principal import RequestContext
from tests.unit.auth.world import HERE, World

__all__ = ["APP", "Desk", "Saying"]

APP = "https://app.example.test/sso"


@dataclass
class Saying:
    """Implements `OpenIdProvider`: whoever comes is `identity`."""

    identity: Identity = field(default_factory=lambda: Identity("s-1"))
    failure: Exception | None = None
    asked: list[AuthorizationRequest] = field(default_factory=list)
    redeemed: list[tuple[str, str, str, str]] = field(default_factory=list)

    async def authorization_url(self, request: AuthorizationRequest) -> str:
        if self.failure is not None:
            raise self.failure
        self.asked.append(request)
        return f"https://id.example.test/authorize?state={request.state}"

    async def identify(
        self, *, code: str, redirect_uri: str, verifier: str, nonce: str, issuer: str | None
    ) -> Identity:
        if self.failure is not None:
            raise self.failure
        self.redeemed.append((code, redirect_uri, verifier, nonce))
        return self.identity

    async def close(self) -> None:
        """Nothing is open."""


class Desk:
    """The use cases of single sign-on, and both sides of it."""

    def __init__(self, w: World, *, signup: bool = True) -> None:
        self.w = w
        self.provider = Saying()
        tickets = OidcTickets(OneTime(w.clock), w.sealer.seal, w.sealer.open)
        trail, counts = w.audit, w.metrics
        self.way = Way(
            w.database,
            [NamedProvider("corp", "Corp", self.provider), NamedProvider("other", "Other", Saying())],
            tickets,
            trail,
            counts,
            redirect_uris=[APP, "org.example.app:/sso?a=b"],
            public_url="https://chat.example.test/",
        )
        self.exchange = Exchange(
            w.database,
            w.users,
            w.entrance,
            w.factors.logins,
            w.links,
            tickets,
            trail,
            counts,
            w.clock,
            signup=signup,
        )

    async def leave(self, challenge: str | None = None, redirect_uri: str = APP) -> str:
        """Go to the provider; returns the `state`."""
        url = await self.way.start("corp", HERE, redirect_uri=redirect_uri, challenge=challenge)
        return dict(parse_qsl(urlsplit(url).query))["state"]

    async def come_back(self, state: str, **query: str) -> dict[str, str]:
        """Come back; returns what the application is told."""
        said = {"code": "from-provider", **query}
        url = await self.way.come_back(
            "corp", HERE, state=state, code=said.get("code"), error=said.get("error"), issuer=None
        )
        return dict(parse_qsl(urlsplit(url).query))

    async def code(self, identity: Identity | None = None, challenge: str | None = None) -> str:
        """Log in at the provider; returns the code for the exchange."""
        if identity is not None:
            self.provider.identity = identity
        return (await self.come_back(await self.leave(challenge)))["code"]

    async def redeem(
        self, code: str, verifier: str | None = None, context: RequestContext = HERE
    ) -> Entered | SecondStep:
        return await self.exchange.exchange(context, code=code, verifier=verifier, device_name="phone")

    async def log_in(self, identity: Identity | None = None) -> Entered:
        """All of it."""
        entered = await self.redeem(await self.code(identity))
        assert isinstance(entered, Entered)
        return entered
