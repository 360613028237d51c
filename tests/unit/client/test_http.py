"""Envelopes, one refresh, and only harmless repeats."""

import asyncio
from datetime import UTC, datetime

import httpx
import pytest

from secureconnect.client import (
    AccountLocked,
    ApiFailure,
    Client,
    Conflict,
    ConnectionLost,
    EmailVerificationRequired,
    InvalidRequest,
    NotLoggedIn,
    ProtocolError,
    RateLimited,
    SecondFactorRequired,
    SessionEnded,
    TokenExpired,
    Tokens,
    Unavailable,
    walk,
)
from secureconnect.kit.ids import new_id, normalise_uuid
from tests.unit.client.world import ME, NOW, Sleeper, World, envelope, refusal, until

USER = {
    "user_id": ME,
    "email": "a@example.test",
    "email_verified": False,
    "username": "ann",
    "display_name": "Ann",
    "avatar_url": None,
    "about": None,
    "status": "a-status-of-the-future",
    "status_text": None,
    "role": "user",
    "mfa_enabled": False,
    "privacy": {"show_presence": True, "a_setting_of_the_future": 1},
    "created_at": NOW,
    "updated_at": NOW,
}
TOKENS = {
    "access_token": "t9",
    "refresh_token": "r9",
    "token_type": "Bearer",
    "expires_in": 900,
    "session_id": new_id(),
}
PERSON = {"user_id": ME, "display_name": "Ann", "is_bot": False, "is_deleted": False, "created_at": NOW}


async def test_unwraps_the_envelope_and_ignores_what_it_does_not_know(world: World) -> None:
    world.intercept = lambda _: envelope({**USER, "field_of_the_future": {}})
    async with world.client() as client:
        me = await client.users.me()
    assert me.username == "ann"
    assert me.status == "a-status-of-the-future"
    assert me.created_at == datetime(2026, 1, 31, 12, tzinfo=UTC)
    request = world.requests[0]
    assert normalise_uuid(request.headers["X-Request-ID"])
    assert request.headers["Authorization"] == "Bearer t1"


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("VALIDATION_ERROR", 400, InvalidRequest),
        ("TOKEN_REVOKED", 401, SessionEnded),
        ("CONFLICT", 409, Conflict),
        ("ACCOUNT_LOCKED", 423, AccountLocked),
        ("CODE_OF_THE_FUTURE", 418, ApiFailure),
    ],
)
async def test_tells_what_the_server_refused(
    world: World, code: str, status: int, kind: type[ApiFailure]
) -> None:
    details = [{"field": "q", "message": "too short"}]
    world.intercept = lambda _: refusal(code, status, 900, details=details)
    async with world.client() as client:
        with pytest.raises(kind) as caught:
            await client.users.search("x")
    error = caught.value
    assert (error.code, error.status, error.message, error.request_id) == (code, status, "No.", "r-1")
    assert error.retry_after == 900
    assert error.details[0].field == "q"
    assert "q: too short" in str(error)
    assert len(world.requests) == 1


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"success":true}', b"\xff"])
async def test_an_answer_that_is_no_envelope_breaks_the_protocol(world: World, answer: bytes) -> None:
    world.intercept = lambda _: httpx.Response(200, content=answer)
    async with world.client() as client:
        with pytest.raises(ProtocolError):
            await client.users.me()


async def test_wrong_data_breaks_the_protocol(world: World) -> None:
    world.intercept = lambda _: envelope({**USER, "username": 5})
    async with world.client() as client:
        with pytest.raises(ProtocolError, match="username"):
            await client.users.me()


async def test_the_gateway_of_somebody_else_counts_as_unavailable(world: World) -> None:
    world.intercept = lambda _: httpx.Response(502, text="<html>")
    async with world.client() as client:
        with pytest.raises(Unavailable, match="BAD_GATEWAY"):
            await client.users.me()


async def test_an_expired_token_is_refreshed_once_for_everybody(world: World) -> None:
    kept: list[Tokens | None] = []
    world.conversation("c")
    async with world.client(on_tokens=kept.append) as client:
        world.token = "not what the client has"
        await asyncio.gather(*(client.conversations.get("c") for _ in range(20)))
        assert client.tokens is not None
        assert client.tokens.refresh_token == "r2"
    assert world.refreshes == 1
    assert [tokens.access_token for tokens in kept if tokens] == ["t2"]


async def test_a_token_that_is_always_expired_is_refreshed_once_per_call(world: World) -> None:
    world.intercept = lambda r: None if "refresh" in r.url.path else refusal("TOKEN_EXPIRED", 401)
    async with world.client() as client:
        with pytest.raises(TokenExpired):
            await client.users.me()
    assert world.refreshes == 1


async def test_a_refused_refresh_ends_the_session(world: World) -> None:
    kept: list[Tokens | None] = []
    world.intercept = lambda r: refusal("TOKEN_REUSED" if "refresh" in r.url.path else "TOKEN_EXPIRED", 401)
    async with world.client(on_tokens=kept.append) as client:
        with pytest.raises(SessionEnded):
            await client.users.me()
        assert kept == [None]
        with pytest.raises(NotLoggedIn):
            await client.users.me()


async def test_a_refresh_outlives_the_call_that_asked_for_it(world: World) -> None:
    answered = asyncio.Event()
    asked: list[httpx.Request] = []

    async def slowly(request: httpx.Request) -> httpx.Response:
        if "refresh" in request.url.path:
            asked.append(request)
            await answered.wait()
        return world.answer(request)

    async with Client(
        world.url,
        tokens=Tokens(**{**TOKENS, "access_token": "old"}),  # type: ignore[arg-type]
        transport=httpx.MockTransport(slowly),
    ) as client:
        call = asyncio.create_task(client.messages.sync())
        await until(lambda: bool(asked))
        call.cancel()
        await asyncio.wait([call])
        answered.set()
    assert client.tokens is not None
    assert client.tokens.access_token == "t2"


async def test_reads_are_repeated_with_growing_pauses_and_then_given_up(world: World) -> None:
    sleeper = Sleeper()
    world.intercept = lambda _: refusal("DATABASE_UNAVAILABLE", 503)
    async with world.client(sleeper) as client:
        with pytest.raises(Unavailable):
            await client.users.me()
    assert sleeper.slept == [0.75, 1.5, 3]
    assert len({request.headers["X-Request-ID"] for request in world.requests}) == 1


async def test_retry_after_is_honoured(world: World) -> None:
    sleeper = Sleeper()
    answers = iter([refusal("RATE_LIMIT_EXCEEDED", 429, 7), envelope(USER)])
    world.intercept = lambda _: next(answers)
    async with world.client(sleeper) as client:
        await client.users.me()
    assert len(sleeper.slept) == 1
    assert 7 <= sleeper.slept[0] <= 7 * 1.25


async def test_a_long_retry_after_is_told_instead_of_waited_for(world: World) -> None:
    world.intercept = lambda _: refusal("RATE_LIMIT_EXCEEDED", 429, 60)
    async with world.client() as client:
        with pytest.raises(RateLimited) as caught:
            await client.users.me()
    assert caught.value.retry_after == 60
    assert len(world.requests) == 1


async def test_changes_are_not_repeated_when_the_server_may_have_acted(world: World) -> None:
    world.intercept = lambda _: refusal("REQUEST_TIMEOUT", 504)
    async with world.client() as client:
        with pytest.raises(Unavailable):
            await client.users.update(about="x")
    assert len(world.requests) == 1


async def test_changes_are_repeated_when_the_server_did_nothing(world: World) -> None:
    answers = iter([refusal("SHUTTING_DOWN", 503, 1), envelope(USER)])
    world.intercept = lambda _: next(answers)
    async with world.client() as client:
        await client.users.update(about="x")
    assert len(world.requests) == 2


async def test_posts_carry_one_idempotency_key_through_all_repeats(world: World) -> None:
    answers = iter([refusal("INTERNAL_ERROR", 500), envelope(world.describe(world.conversation()))])
    world.intercept = lambda _: next(answers)
    async with world.client() as client:
        await client.conversations.create_group("G", [ME])
    keys = [request.headers["Idempotency-Key"] for request in world.requests]
    assert len(keys) == 2
    assert keys[0] == keys[1]


async def test_sends_are_repeated_with_their_client_message_id(world: World) -> None:
    message = world.append(world.conversation())["data"]["message"]
    bodies: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(request.content)
        if len(bodies) < 3:
            raise httpx.ReadError("reset")
        return envelope(message, 201)

    world.intercept = answer
    async with world.client() as client:
        sent = await client.messages.send("c", "hi")
    assert sent.message_id == message["message_id"]
    assert len(set(bodies)) == 1
    assert b'"client_message_id":"' in bodies[0]


@pytest.mark.parametrize(
    ("problem", "attempts", "sent"),
    [(httpx.ConnectError("refused"), 4, False), (httpx.ReadTimeout("slow"), 1, True)],
)
async def test_a_request_that_never_left_may_be_repeated(
    world: World, problem: httpx.TransportError, attempts: int, sent: bool
) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise problem

    world.intercept = answer
    async with world.client() as client:
        with pytest.raises(ConnectionLost) as caught:
            await client.auth.logout()
    assert len(world.requests) == attempts
    assert caught.value.sent is sent


async def test_login_keeps_the_tokens_and_shows_none_of_them(world: World) -> None:
    world.intercept = lambda _: envelope({"user": USER, **TOKENS})
    async with world.client(tokens=None) as client:
        with pytest.raises(NotLoggedIn):
            await client.users.me()
        result = await client.auth.login(username="ann", password="secret")
        assert client.tokens == result
    assert "t9" not in repr(result)
    assert "r9" not in repr(result)
    assert "Authorization" not in world.requests[0].headers
    assert world.requests[0].content == b'{"username":"ann","password":"secret"}'


async def test_login_tells_when_more_is_needed(world: World) -> None:
    world.intercept = lambda _: envelope(
        {"mfa_required": True, "mfa_token": "m", "methods": ["totp"], "expires_in": 300}
    )
    async with world.client(tokens=None) as client:
        with pytest.raises(SecondFactorRequired) as second:
            await client.auth.login(email="a@example.test", password="secret")
        assert (second.value.mfa_token, second.value.methods) == ("m", ("totp",))
        world.intercept = lambda _: envelope({"user": USER, "email_verification_required": True}, 201)
        with pytest.raises(EmailVerificationRequired) as verify:
            await client.auth.register(
                email="a@example.test", username="ann", password="secret", display_name="Ann"
            )
        assert verify.value.user.user_id == ME
        assert client.tokens is None


async def test_logout_forgets_the_tokens(world: World) -> None:
    world.intercept = lambda _: envelope({"message": "Bye."})
    async with world.client() as client:
        await client.auth.logout(new_id())  # another session
        assert client.tokens is not None
        await client.auth.logout()
        assert client.tokens is None


async def test_walks_over_all_pages(world: World) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        at = int(request.url.params.get("cursor", 0))
        users = [{**PERSON, "username": f"u{at}"}]
        return envelope({"users": users, "next_cursor": str(at + 1) if at < 2 else None, "has_more": at < 2})

    world.intercept = answer
    async with world.client() as client:
        names = [user.username async for user in walk(client.users.search, "u_")]
        found = await client.users.find("U2x")
    assert names == ["u0", "u1", "u2"]
    assert found is None


async def test_absent_and_cleared_fields_differ(world: World) -> None:
    world.intercept = lambda _: envelope(USER)
    async with world.client() as client:
        await client.users.update(about=None, privacy={"show_presence": False})
    assert world.requests[0].content == b'{"about":null,"privacy":{"show_presence":false}}'


async def test_ids_stay_one_path_segment(world: World) -> None:
    world.intercept = lambda _: refusal("NOT_FOUND", 404)
    async with world.client() as client:
        with pytest.raises(ApiFailure):
            await client.conversations.get("../users/me?x=1")
    assert world.requests[0].url.raw_path == b"/v1/conversations/..%2Fusers%2Fme%3Fx%3D1"


@pytest.mark.parametrize("url", ["example.org", "ftp://example.org", "https://example.org/chat", ""])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="server address"):
        Client(url)
