"""To a provider and back."""

import pytest

from secureconnect.features.oidc import rules
from secureconnect.infra.openid.base import Identity, ProviderAway, ProviderRefused
from secureconnect.kit.errors import ApiError, ErrorCode
from tests.unit.auth.world import HERE, World
from tests.unit.factors.people import refusal
from tests.unit.oidc.people import APP, Desk


@pytest.fixture
def desk(w: World) -> Desk:
    return Desk(w)


async def faulty_field(desk: Desk, state: str, provider: str = "corp", **query: str | None) -> str:
    """The field that a way back is refused for."""
    said = {"code": "c", "error": None, **query}
    with pytest.raises(ApiError) as error:
        await desk.way.come_back(
            provider, HERE, state=state, code=said["code"], error=said["error"], issuer=None
        )
    assert error.value.code is ErrorCode.VALIDATION_ERROR
    return error.value.details[0].field


async def test_what_was_sent_is_what_comes_back(desk: Desk) -> None:
    state = await desk.leave()
    (asked,) = desk.provider.asked
    assert asked.redirect_uri == "https://chat.example.test/v1/auth/oidc/corp/callback"
    said = await desk.come_back(state)
    assert said.keys() == {"code"}
    ((code, redirect_uri, verifier, nonce),) = desk.provider.redeemed
    assert (code, redirect_uri, nonce) == ("from-provider", asked.redirect_uri, asked.nonce)
    assert rules.challenge_of(verifier) == asked.challenge
    assert len({state, asked.nonce, verifier, said["code"]}) == 4


async def test_only_to_listed_applications(desk: Desk) -> None:
    for uri in ("https://evil.example/", APP + "/", APP + "?a", APP.upper(), "org.example.app:/sso"):
        assert await refusal(desk.leave(redirect_uri=uri)) is ErrorCode.VALIDATION_ERROR
    state = await desk.leave(redirect_uri="org.example.app:/sso?a=b")
    url = await desk.way.come_back("corp", HERE, state=state, code="c", error=None, issuer=None)
    assert url.startswith("org.example.app:/sso?a=b&code=")
    start = desk.way.start("nobody", HERE, redirect_uri=APP, challenge=None)
    assert await refusal(start) is ErrorCode.NOT_FOUND


async def test_a_state_works_once_in_time_and_at_its_provider(desk: Desk, w: World) -> None:
    state = await desk.leave()
    assert await faulty_field(desk, state, "other") == "state"
    assert await faulty_field(desk, state, code=None) == "code"
    assert "code" in await desk.come_back(state)
    assert await faulty_field(desk, state) == "state"
    assert await faulty_field(desk, "x" + state) == "state"
    late = await desk.leave()
    w.clock.move(minutes=10)
    assert await faulty_field(desk, late) == "state"
    # The code of the exchange is no state, and a state no code.
    assert await faulty_field(desk, await desk.code()) == "state"
    assert await refusal(desk.redeem(await desk.leave())) is ErrorCode.INVALID_TOKEN


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("access_denied", "access_denied"),
        ("login_required", "access_denied"),
        ("<script>", "access_denied"),
        ("server_error", "server_error"),
        ("temporarily_unavailable", "temporarily_unavailable"),
    ],
)
async def test_a_provider_that_says_no(desk: Desk, w: World, said: str, heard: str) -> None:
    state = await desk.leave()
    assert await desk.come_back(state, error=said) == {"error": heard}
    assert await faulty_field(desk, state) == "state"
    (entry,) = w.events("login_failed")
    assert (entry.reason, entry.details) == (heard, {"method": "oidc", "provider": "corp"})


@pytest.mark.parametrize(
    ("failure", "heard", "reason"),
    [
        (ProviderAway("no answer"), "temporarily_unavailable", "other"),
        (ProviderRefused("wrong nonce"), "server_error", "invalid"),
    ],
)
async def test_a_provider_that_fails(
    desk: Desk, w: World, failure: Exception, heard: str, reason: str
) -> None:
    state = await desk.leave()
    desk.provider.failure = failure
    assert await desk.come_back(state) == {"error": heard}
    url = await desk.way.start("corp", HERE, redirect_uri=APP, challenge=None)
    assert url == f"{APP}?error={heard}"
    assert w.counts[f"oidc {reason}"] == 2


async def test_nothing_of_it_is_readable_in_the_database(desk: Desk, w: World) -> None:
    desk.provider.identity = Identity("subject-1", "jane@example.test", "jane", "Jane Doe")
    state = await desk.leave()
    (asked,) = desk.provider.asked
    before = await w.database.read(
        lambda conn: str(conn.exec_driver_sql("select * from one_time_tokens").all())
    )
    code = (await desk.come_back(state))["code"]
    ((_, _, verifier, nonce),) = desk.provider.redeemed
    after = await w.database.read(
        lambda conn: str(conn.exec_driver_sql("select * from one_time_tokens").all())
    )
    for secret in (state, asked.nonce, nonce, verifier, code, "subject-1", "jane@example.test", "Jane Doe"):
        assert secret not in before + after


async def test_the_providers_of_the_settings(desk: Desk) -> None:
    assert [(one.id, one.name) for one in desk.way.providers()] == [("corp", "Corp"), ("other", "Other")]
