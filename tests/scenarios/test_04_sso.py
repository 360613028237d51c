"""Single sign-on: scenario F6, with a provider that does as it is told and with a real one."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from secureconnect.features.oidc.rules import challenge_of
from tests.mailbox import token_of
from tests.openid import CLIENT_SECRET, Provider, Said, SigningKey
from tests.scenarios.audit import audited
from tests.scenarios.conftest import Register, Serve
from tests.scenarios.factors import protect, verify
from tests.scenarios.mail import mailed
from tests.scenarios.metrics import metric
from tests.scenarios.patience import eventually
from tests.scenarios.server import Server, environment, free_port
from tests.scenarios.sso import APP, application, callback, code_of, exchange, query_of, start, wander
from tests.scenarios.steps import ISSUED, Answer, Person, request


async def verified(server: Server, person: Person) -> Person:
    """The same person, whose address is proved."""
    (await request(server.url, "POST", "/v1/auth/verify-email/resend", {"email": person.email})).ok()
    token = token_of(await mailed(server, person.email, "Confirm your e-mail address"))
    (await request(server.url, "POST", "/v1/auth/verify-email", {"token": token})).ok()
    return person


async def log_in(server: Server, **more: Any) -> Any:
    """All the way to a session."""
    entered = (await exchange(server.url, await code_of(server.url), **more)).ok()
    ISSUED.update((entered["access_token"], entered["refresh_token"]))
    return entered


async def test_f6_single_sign_on(server: Server, admin: Person, provider: Provider) -> None:
    """start, callback, exchange; exchange twice; changed state; redirect_uri not listed."""
    providers = await request(server.url, "GET", "/v1/auth/oidc/providers")
    assert providers.ok() == {"providers": [{"id": "stub", "name": "Stub"}]}
    begun = await start(server.url)
    sent = query_of(begun.headers["location"])
    assert begun.headers["location"].startswith(f"{provider.issuer}/authorize?")
    assert begun.headers["cache-control"] == "no-store"
    assert (sent["response_type"], sent["code_challenge_method"]) == ("code", "S256")
    assert (sent["scope"], len(sent["code_challenge"])) == ("openid profile email", 43)
    assert min(len(sent["state"]), len(sent["nonce"])) >= 43

    provider.claims = {"sub": "f6", "email": "fay@example.test", "email_verified": True, "name": "Fay Six"}
    back = await wander(server.url, begun)
    changed = await callback(server.url, back.replace(sent["state"], sent["state"][::-1]))
    changed.is_error(400, "VALIDATION_ERROR")
    assert changed.fields == ["state"]
    code = application(await callback(server.url, back))["code"]
    (await callback(server.url, back)).is_error(400, "VALIDATION_ERROR")
    entered = (await exchange(server.url, code, device_name="laptop")).ok()
    user = entered["user"]
    assert (user["email"], user["email_verified"], user["username"]) == (
        "fay@example.test",
        True,
        "fay",
    )
    assert (user["display_name"], user["mfa_enabled"], user["role"]) == ("Fay Six", False, "user")
    me = await request(server.url, "GET", "/v1/auth/profile", token=entered["access_token"])
    assert me.ok()["session_id"] == entered["session_id"]
    ISSUED.update((code, sent["state"], sent["nonce"], entered["access_token"], entered["refresh_token"]))
    (await exchange(server.url, code)).is_error(401, "INVALID_TOKEN")
    for event in ("register", "oidc_linked", "login_success"):
        record = await audited(admin, event, actor_id=user["user_id"])
        assert record["details"].get("provider", "stub") == "stub"

    before = await metric(server, "auth_success_total", method="oidc")
    assert (await log_in(server))["user"]["user_id"] == user["user_id"]
    assert await metric(server, "auth_success_total", method="oidc") == before + 1

    refused = await start(server.url, redirect_uri="https://evil.example/")
    refused.is_error(400, "VALIDATION_ERROR")
    assert refused.fields == ["redirect_uri"]
    (await start(server.url, "nobody")).is_error(404, "NOT_FOUND")
    (await callback(server.url, back.replace("/stub/", "/nobody/"))).is_error(404, "NOT_FOUND")
    (await request(server.url, "GET", "/v1/auth/oidc/stub/callback")).is_error(400, "VALIDATION_ERROR")


async def test_f6_never_the_account_of_somebody_else(
    server: Server, admin: Person, reg: Register, provider: Provider
) -> None:
    """An address equal to A's links only when both sides verified it; else a new account or a refusal."""
    a, b = await reg("a", "b")
    await verified(server, a)
    provider.claims = {"sub": f"evil-{a.name}", "email": a.email, "email_verified": False}
    entered = await log_in(server)
    assert entered["user"]["user_id"] != a.user_id
    assert a.email not in json.dumps(entered["user"])
    assert entered["user"]["email_verified"] is False
    # Verified there, not here: whoever made the account may have typed anybody's address.
    provider.claims = {"sub": b.username, "email": b.email, "email_verified": True}
    refused = await exchange(server.url, await code_of(server.url))
    refused.is_error(409, "CONFLICT")
    assert refused.fields == ["email"]
    # On both sides: the link, and A is told of the device.
    provider.claims = {"sub": a.username, "email": a.email.upper(), "email_verified": True}
    assert (await log_in(server))["user"]["user_id"] == a.user_id
    await audited(admin, "oidc_linked", actor_id=a.user_id)
    provider.claims = {"sub": a.username}
    assert (await log_in(server))["user"]["user_id"] == a.user_id


async def test_f6_the_second_factor_and_bans_count_here_too(
    server: Server, admin: Person, reg: Register, provider: Provider
) -> None:
    """A login at a provider leads to the second step; banned people stay out."""
    (a,) = await reg("a")
    await verified(server, a)
    app, _ = await protect(a)
    provider.claims = {"sub": a.username, "email": a.email, "email_verified": True}
    step = (await exchange(server.url, await code_of(server.url))).ok()
    assert step.keys() == {"mfa_required", "mfa_token", "methods", "expires_in"}
    entered = (await verify(server.url, step["mfa_token"], await app.code())).ok()
    ISSUED.update((step["mfa_token"], entered["access_token"], entered["refresh_token"]))
    assert entered["user"]["user_id"] == a.user_id
    await audited(admin, "oidc_linked", actor_id=a.user_id)
    body = {"user_id": a.user_id, "reason": "spam and more", "permanent": True}
    banned = await admin.post("/v1/admin/users/ban", body)
    assert banned.status in {200, 201}, banned.raw
    (await exchange(server.url, await code_of(server.url))).is_error(403, "ACCOUNT_BANNED")


async def test_f6_only_who_began_finishes(server: Server, provider: Provider) -> None:
    """With a challenge the exchange needs its verifier; nobody is led into the login of somebody else."""
    verifier = "v" * 64
    code = await code_of(server.url, code_challenge=challenge_of(verifier))
    (await exchange(server.url, code, code_verifier="w" * 64)).is_error(401, "INVALID_TOKEN")
    (await exchange(server.url, code, code_verifier=verifier)).is_error(401, "INVALID_TOKEN")
    (await exchange(server.url, await code_of(server.url), code_verifier=verifier)).is_error(
        401, "INVALID_TOKEN"
    )
    code = await code_of(server.url, code_challenge=challenge_of(verifier))
    (await exchange(server.url, code, code_verifier=verifier)).ok()
    (await start(server.url, code_challenge="short")).is_error(400, "VALIDATION_ERROR")


async def failed(server: Server, provider: Provider) -> str:
    """What the application hears of a login that fails; the server says no more than that."""
    answer = await callback(server.url, await wander(server.url, await start(server.url)))
    told = application(answer)
    assert told.keys() == {"error"}
    return told["error"]


async def test_f6_a_hostile_provider(server: Server, admin: Person, provider: Provider) -> None:
    """Wrong nonce, no signature, other audience, old tokens, huge answers: no code, and no session."""
    for claims in (
        {"nonce": "x"},
        {"aud": "somebody"},
        {"iss": "https://x.example"},
        {"exp": 1},
        {"sub": ""},
    ):
        provider.forge = lambda honest, claims=claims: provider.key.sign({**honest, **claims})  # type: ignore[misc]
        assert await failed(server, provider) == "server_error", claims
    provider.forge = lambda claims: provider.key.sign(claims).rpartition(".")[0] + "."
    assert await failed(server, provider) == "server_error"
    provider.forge = lambda claims: SigningKey(kid=provider.key.kid).sign(claims)
    assert await failed(server, provider) == "server_error"
    provider.honest()
    for said in (Said(200, b"[" * 1_000_000), Said(307, headers={"location": f"{server.url}/v1"}), Said(400)):
        provider.instead["/token"] = lambda said=said: said  # type: ignore[misc]
        assert await failed(server, provider) == "server_error"
    provider.instead["/token"] = lambda: Said(503)
    assert await failed(server, provider) == "temporarily_unavailable"
    await audited(admin, "login_failed", reason="temporarily_unavailable", actor_type="anonymous")
    provider.honest()
    # The provider, or the person in front of it, says no.
    back = await wander(server.url, await start(server.url))
    state = query_of(back)["state"]
    path = urlsplit(back).path
    answer = await callback(server.url, f"{path}?state={state}&error=access_denied&error_description=%3Cb%3E")
    assert application(answer) == {"error": "access_denied"}


async def test_f6_a_slow_provider(server: Server, provider: Provider) -> None:
    """It costs the login, after 5 s at the latest, and nothing else."""
    released = threading.Event()

    def wait() -> Said:
        released.wait(20)
        return Said(503)

    back = await wander(server.url, await start(server.url))
    provider.instead["/token"] = wait
    answer = await callback(server.url, back)
    released.set()
    assert application(answer) == {"error": "temporarily_unavailable"}


async def test_z4_forged_hosts_lead_nobody_astray(server: Server) -> None:
    """Where the provider sends people back to depends on the settings alone."""
    forged = {"host": "evil.example", "x-forwarded-host": "evil.example", "x-forwarded-proto": "ftp"}
    begun = await request(
        server.url, "GET", "/v1/auth/oidc/stub/start", params={"redirect_uri": APP}, headers=forged
    )
    assert begun.status == 302
    wanted = f"http://localhost:{server.port}/v1/auth/oidc/stub/callback"
    assert query_of(begun.headers["location"])["redirect_uri"] == wanted


async def test_z9_the_database_holds_no_secret_of_single_sign_on(server: Server, provider: Provider) -> None:
    """State, codes, nonces and the client's secret, in use and used."""
    provider.claims = {"sub": "dump", "email": "dump@example.test", "email_verified": True}
    begun = await start(server.url)
    sent = query_of(begun.headers["location"])
    code = await code_of(server.url)
    content = server.tables.dump()
    for secret in (sent["state"], sent["nonce"], code, CLIENT_SECRET, "dump@example.test"):
        assert secret.encode() not in content
    (await exchange(server.url, code)).ok()
    content = server.tables.dump()
    assert b"dump@example.test" in content, "the search finds what is there"
    assert code.encode() not in content
    assert CLIENT_SECRET not in server.log_text()


@pytest.fixture
def real_provider(tmp_path: Path) -> Iterator[str]:
    """A process of `oidc-provider-mock`; its issuer."""
    port = free_port()
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce", "true"]
    with (tmp_path / "provider.log").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment())
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait()


async def test_f6_with_a_real_provider(serve: Serve, real_provider: str) -> None:
    """A registered client at another implementation of OpenID Connect; registration here is closed."""
    port = free_port()
    async with httpx.AsyncClient(verify=False, base_url=real_provider) as operator:
        await eventually(lambda: answers(operator))
        own = f"http://localhost:{port}/v1/auth/oidc/real/callback"
        made = (await operator.post("/oauth2/clients", json={"redirect_uris": [own]})).json()
        claims = {"email": "rea@example.test", "email_verified": True, "preferred_username": "rea"}
        assert (await operator.put("/users/rea-1", json=claims)).is_success
    known = {
        "id": "real",
        "name": "Real",
        "issuer": real_provider,
        "client_id": made["client_id"],
        "client_secret": made["client_secret"],
    }
    settings = {"oidc_providers": json.dumps([known]), "oidc_redirect_uris": APP, "registration": "closed"}
    async with serve(auth=settings, server={"public_url": f"http://localhost:{port}"}) as server:
        for subject, email in (("rea-1", "rea@example.test"), ("stranger", None)):
            back = await consent(await start(server.url, "real"), sub=subject)
            code = application(await callback(server.url, back))["code"]
            user = (await exchange(server.url, code)).ok()["user"]
            assert user["email_verified"] is (email is not None)
            assert user["email"] == (email or f"{user['user_id']}@sso.invalid")
        # Unlike RFC 6749, §4.1.2.1, asks, it says no without the state: then nobody knows whose no it is.
        back = await consent(await start(server.url, "real"), action="deny")
        assert query_of(back).keys() == {"error", "error_description"}
        (await callback(server.url, back)).is_error(400, "VALIDATION_ERROR")


async def answers(client: httpx.AsyncClient) -> bool:
    """Whether the provider has started."""
    try:
        return (await client.get("/jwks")).status_code == 200
    except httpx.TransportError:
        return False


async def consent(begun: Answer, **form: str) -> str:
    """Fill in the form of the provider; where it sends the browser to."""
    async with httpx.AsyncClient(verify=False) as browser:
        shown = await browser.get(begun.headers["location"])
        assert shown.status_code == 200, shown.text
        answer = await browser.post(begun.headers["location"], data=form)
    assert answer.status_code == 302, answer.text
    back = urlsplit(answer.headers["location"])
    return f"{back.path}?{back.query}"
