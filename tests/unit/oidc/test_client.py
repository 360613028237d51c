"""What is taken from a provider, and what is not."""

import base64
import json
import threading
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jwt
import pytest

from secureconnect.infra.openid.base import AuthorizationRequest, Identity, ProviderAway, ProviderRefused
from secureconnect.infra.openid.client import OpenIdClient, Registration
from tests.openid import CLIENT_ID, CLIENT_SECRET, Provider, Said, SigningKey

VERIFIER = "v" * 43
CHALLENGE = "7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM"  # SHA-256 of the verifier, base64url
CALLBACK = "http://localhost:8080/v1/auth/oidc/stub/callback"


class Wall:
    """The real time, and a monotonic clock that tests move."""

    def __init__(self) -> None:
        self.moved = 0.0

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic() + self.moved


@pytest.fixture
def clock() -> Wall:
    return Wall()


@pytest.fixture
async def client(provider: Provider, clock: Wall) -> AsyncIterator[OpenIdClient]:
    known = Registration(provider.issuer, CLIENT_ID, CLIENT_SECRET, ("profile", "email"))
    made = OpenIdClient(known, clock, allow_http=False)
    yield made
    await made.close()


async def code_of(client: OpenIdClient, provider: Provider) -> str:
    """Somebody logs in at the provider."""
    request = AuthorizationRequest(CALLBACK, "state", "nonce", CHALLENGE)
    url = urlsplit(await client.authorization_url(request))
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{provider.issuer}/authorize"
    back = urlsplit(provider.log_in(dict(parse_qsl(url.query))))
    return dict(parse_qsl(back.query))["code"]


async def identify(
    client: OpenIdClient, provider: Provider, issuer: str | None = None, **claims: Any
) -> Identity:
    """The same, and who it was."""
    provider.claims = claims or provider.claims
    code = await code_of(client, provider)
    return await client.identify(
        code=code, redirect_uri=CALLBACK, verifier=VERIFIER, nonce="nonce", issuer=issuer
    )


async def refused(client: OpenIdClient, provider: Provider, **claims: Any) -> str:
    """Why the login is refused."""
    with pytest.raises(ProviderRefused) as refusal:
        await identify(client, provider, **claims)
    return refusal.value.reason


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_whoever_the_provider_signs_for(
    client: OpenIdClient, provider: Provider, algorithm: str
) -> None:
    provider.key = SigningKey(algorithm)
    provider.published = [provider.key]
    found = await identify(
        client, provider, sub="s-1", email="jane@example.test", email_verified=True, name="Jane"
    )
    assert found == Identity("s-1", "jane@example.test", None, "Jane")
    # Two requests on the way there and two on the way back; a second login needs one.
    assert provider.seen == ["/.well-known/openid-configuration", "/token", "/jwks"]
    await identify(client, provider)
    assert provider.seen[3:] == ["/token"]


@pytest.mark.parametrize(("verified", "taken"), [(True, True), ("true", True), (False, False), (None, False)])
async def test_only_addresses_that_it_vouches_for(
    client: OpenIdClient, provider: Provider, verified: object, *, taken: bool
) -> None:
    provider.claims = {"email": "jane@example.test"}
    if verified is not None:
        provider.claims["email_verified"] = verified
    assert (await identify(client, provider)).email == ("jane@example.test" if taken else None)


async def test_what_only_the_userinfo_tells(client: OpenIdClient, provider: Provider) -> None:
    provider.about = {"sub": "s-1", "email": "jane@example.test", "email_verified": True}
    provider.about |= {"preferred_username": "j", "name": "Jane"}
    found = await identify(client, provider, sub="s-1", preferred_username="jane")
    assert found == Identity("s-1", "jane@example.test", "jane", "Jane")
    assert provider.seen[-1] == "/userinfo"
    assert "somebody else" in await refused(client, provider, sub="s-2")


NOW = int(time.time())


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "https://other.example"}, "another issuer"),
        ({"aud": "somebody"}, "for another client"),
        ({"aud": []}, "for another client"),
        ({"aud": [CLIENT_ID, "somebody"]}, "made for another client"),
        ({"azp": "somebody"}, "made for another client"),
        ({"nonce": "other"}, "another login"),
        ({"exp": NOW - 61}, "expired"),
        ({"iat": NOW + 86_400}, "from the future"),
        ({"nbf": NOW + 86_400}, "from the future"),
        ({"exp": None}, "lacks claims"),
        ({"exp": "9999999999"}, "lacks claims"),
        ({"sub": ""}, "subject"),
        ({"sub": "s" * 256}, "subject"),
        ({"sub": "s\n"}, "subject"),
        ({"sub": 7}, "lacks claims"),
    ],
)
async def test_id_tokens_that_prove_nothing(
    client: OpenIdClient, provider: Provider, claims: dict[str, Any], reason: str
) -> None:
    provider.forge = lambda honest: _signed(provider.key, {**honest, **claims})
    assert reason in await refused(client, provider)


def _signed(key: SigningKey, claims: dict[str, Any]) -> str:
    """Signed whatever it is; the library refuses to make some of these."""
    payload = json.dumps(claims).encode()
    return jwt.PyJWS().encode(payload, key.private, key.algorithm, {"kid": key.kid, "typ": "JWT"})


async def test_a_client_among_several_audiences(client: OpenIdClient, provider: Provider) -> None:
    await identify(client, provider, aud=[CLIENT_ID, "somebody"], azp=CLIENT_ID)


def _unsigned(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, "", "none")


def _with_public_key_as_secret(provider: Provider, claims: dict[str, Any]) -> str:
    x = base64.urlsafe_b64decode(provider.key.published["x"] + "==")
    return jwt.encode(claims, x, "HS256", {"kid": provider.key.kid})


async def test_signatures_that_are_none(client: OpenIdClient, provider: Provider) -> None:
    provider.forge = _unsigned
    assert "algorithm" in await refused(client, provider)
    provider.forge = lambda claims: _with_public_key_as_secret(provider, claims)
    assert "algorithm" in await refused(client, provider)
    provider.forge = lambda claims: SigningKey(kid=provider.key.kid).sign(claims)
    assert "signature" in await refused(client, provider)
    provider.forge = lambda claims: SigningKey("EdDSA", kid=provider.key.kid).sign(claims)
    assert "does not publish" in await refused(client, provider)
    for nonsense in ("", "a.b.c", "x" * 9000, "e30.e30.", "[" * 5000):
        provider.forge = lambda _, nonsense=nonsense: nonsense  # type: ignore[misc]
        assert await refused(client, provider)


async def test_weak_and_broken_keys(client: OpenIdClient, provider: Provider, clock: Wall) -> None:
    provider.key = SigningKey("RS256", bits=1024)
    provider.published = [provider.key]
    with pytest.warns(match="key"):
        weak = provider.key.sign({"sub": "s"})
    provider.forge = lambda _: weak
    assert "signature" in await refused(client, provider)
    clock.moved += 3600
    provider.instead["/jwks"] = lambda: Said(body={"keys": [{**provider.key.published, "n": 7}]})
    assert "malformed" in await refused(client, provider)


async def test_a_key_that_comes_and_one_that_goes(
    client: OpenIdClient, provider: Provider, clock: Wall
) -> None:
    await identify(client, provider)
    old, provider.key = provider.key, SigningKey()
    provider.published = [old, provider.key]
    # Asked again for a new key, but not for every unknown one.
    assert "does not publish" in await refused(client, provider)
    clock.moved += 11
    await identify(client, provider)
    provider.key = old
    provider.published = []
    await identify(client, provider)
    clock.moved += 900
    assert "does not publish" in await refused(client, provider)


async def test_old_knowledge_outlasts_a_provider_that_is_away(
    client: OpenIdClient, provider: Provider, clock: Wall
) -> None:
    await identify(client, provider)
    provider.instead["/jwks"] = provider.instead["/.well-known/openid-configuration"] = lambda: Said(503)
    clock.moved += 3599
    await identify(client, provider)
    clock.moved += 2
    with pytest.raises(ProviderAway):
        await identify(client, provider)


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "http://127.0.0.1:1"},
        {"issuer": None},
        {"token_endpoint": "http://tokens.example/"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"userinfo_endpoint": "https://user@example.test/"},
    ],
)
async def test_metadata_that_leads_astray(
    client: OpenIdClient, provider: Provider, metadata: dict[str, Any]
) -> None:
    provider.metadata = metadata
    await refused(client, provider)


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/jwks"])
@pytest.mark.parametrize(
    ("said", "failure"),
    [
        (Said(302, headers={"location": "http://127.0.0.1:1/"}), ProviderRefused),
        (Said(200, b"{" * 100_000), ProviderRefused),
        (Said(200, b" " * 300_000), ProviderRefused),
        (Said(200, b"", {"content-encoding": "gzip"}), ProviderRefused),
        (Said(200, b"<html>"), ProviderRefused),
        (Said(400, {"error": "invalid_grant"}), ProviderRefused),
        (Said(500), ProviderAway),
        (Said(429), ProviderAway),
    ],
)
async def test_answers_that_are_none(
    client: OpenIdClient, provider: Provider, path: str, said: Said, failure: type[Exception]
) -> None:
    provider.instead[path] = lambda: said
    with pytest.raises(failure):
        await identify(client, provider)


async def test_a_provider_that_keeps_us_waiting(provider: Provider, clock: Wall) -> None:
    known = Registration(provider.issuer, CLIENT_ID, CLIENT_SECRET, ())
    client = OpenIdClient(known, clock, allow_http=False, timeout=0.3)
    released = threading.Event()

    def wait() -> Said:
        released.wait(10)
        return Said(503)

    provider.instead["/token"] = wait
    with pytest.raises(ProviderAway, match="in time"):
        await identify(client, provider)
    released.set()
    await client.close()


async def test_a_provider_that_is_not_there(clock: Wall) -> None:
    client = OpenIdClient(Registration("http://127.0.0.1:1", "c", "s", ()), clock, allow_http=False)
    with pytest.raises(ProviderAway):
        await client.authorization_url(AuthorizationRequest(CALLBACK, "s", "n", CHALLENGE))
    await client.close()


async def test_http_is_for_this_machine_alone(clock: Wall) -> None:
    known = Registration("http://id.example", "c", "s", ())
    client = OpenIdClient(known, clock, allow_http=False)
    with pytest.raises(ProviderRefused):
        await client.authorization_url(AuthorizationRequest(CALLBACK, "s", "n", CHALLENGE))
    assert "s" not in repr(known).partition("Registration")[2].partition(",")[2]


async def test_codes_of_another_issuer(client: OpenIdClient, provider: Provider, clock: Wall) -> None:
    """RFC 9207: mixed up, and left out by a provider that always says it."""
    await identify(client, provider, issuer=provider.issuer)
    with pytest.raises(ProviderRefused):
        await identify(client, provider, issuer="https://other.example")
    provider.metadata = {"authorization_response_iss_parameter_supported": True}
    clock.moved += 3601
    with pytest.raises(ProviderRefused):
        await identify(client, provider)


@pytest.mark.parametrize(("secret", "methods"), [("", None), ("s", ["client_secret_post"])])
async def test_credentials_in_the_form(
    provider: Provider, clock: Wall, secret: str, methods: list[str] | None
) -> None:
    """Public clients, and providers that do not know HTTP basic authentication."""
    if methods:
        provider.metadata = {"token_endpoint_auth_methods_supported": methods}
    heard: list[tuple[dict[str, str], str]] = []
    honest = provider._token

    def token(form: dict[str, str], authorization: str) -> Said:
        heard.append((form, authorization))
        pair = base64.b64encode(b"chat+client:s3cret%2Bof%2Fthe%3Aclient").decode()
        return honest(form, f"Basic {pair}")

    provider._token = token  # type: ignore[method-assign]
    try:
        client = OpenIdClient(Registration(provider.issuer, CLIENT_ID, secret, ()), clock, allow_http=False)
        await identify(client, provider)
        await client.close()
    finally:
        del provider._token
    ((form, authorization),) = heard
    assert (form["client_id"], form.get("client_secret", ""), authorization) == (CLIENT_ID, secret, "")
