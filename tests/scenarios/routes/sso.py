"""Single sign-on at the provider that the shared process trusts."""

from tests.scenarios.routes.world import Case, World, page
from tests.scenarios.sso import callback, code_of, exchange, start, wander
from tests.scenarios.steps import Answer, Person

__all__ = ["CASES", "OPEN", "ids"]


async def ids(a: Person, b: Person, g: str) -> dict[str, str]:
    """What strangers try: a state that nobody has."""
    return {"provider": "stub", "redirect_uri": "https://evil.example/", "state": "x", "iss": "x"}


async def _callback(w: World) -> Answer:
    return await callback(w.a.url, await wander(w.a.url, await start(w.a.url)))


async def _exchange(w: World) -> Answer:
    return await exchange(w.a.url, await code_of(w.a.url))


CASES: dict[str, Case] = {
    "GET /v1/auth/oidc/providers": page("/v1/auth/oidc/providers"),
    "GET /v1/auth/oidc/{provider}/start": lambda w: start(w.a.url),
    "GET /v1/auth/oidc/{provider}/callback": _callback,
    "POST /v1/auth/oidc/exchange": _exchange,
}

#: Logins are open to strangers, who are led nowhere.
OPEN = {"GET /v1/auth/oidc/{provider}/start": 400, "GET /v1/auth/oidc/{provider}/callback": 400}
