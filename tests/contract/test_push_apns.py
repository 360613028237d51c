"""APNs: HTTP/2 with token authentication, against a server that checks both."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from secureconnect.infra.push.apns import Apns
from secureconnect.infra.push.apns_tokens import ProviderTokens
from secureconnect.infra.push.base import PushDelayed, PushGone, PushRefused, Target
from tests.contract.apns_server import ApnsServer
from tests.contract.push_worlds import NOW, Time, push
from tests.mailbox import certificate, server_context

KEY, TEAM, BUNDLE = "ABC123DEFG", "DEF123GHIJ", "test.example.chat"
DEVICE = Target("apns", "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0", "t", "u", "ios")


class Apple(NamedTuple):
    """The server, what talks to it, and what a stranger would."""

    server: ApnsServer
    apns: Apns
    stranger: Apns
    clock: Time


@pytest.fixture
async def apple(tmp_path: Path) -> AsyncIterator[Apple]:
    key, other, clock = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
        Time(),
    )
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    server = ApnsServer(public, key_id=KEY, team_id=TEAM, bundle_id=BUNDLE)
    server.now = NOW // 1000
    pem = certificate(tmp_path)
    url = f"https://localhost:{await server.start(server_context(pem))}"
    tls = ssl.create_default_context(cafile=str(pem))
    made = [
        Apns(ProviderTokens(each, KEY, TEAM, clock), BUNDLE, clock, url=url, tls=tls) for each in (key, other)
    ]
    yield Apple(server, made[0], made[1], clock)
    for one in made:
        await one.close()
    server.close()


async def test_a_push_as_apple_wants_it(apple: Apple) -> None:
    await apple.apns.check(DEVICE)
    await apple.apns.send(DEVICE, push(urgent=True, topic="entry-1"))
    await apple.apns.send(DEVICE, push())
    first, second = apple.server.asked
    assert first.device == DEVICE.token
    assert first.payload == {
        "aps": {
            "alert": {"title": "New message", "body": "New message from Anna"},
            "badge": 3,
            "sound": "default",
            "mutable-content": 1,
            "thread-id": "c1",
            "interruption-level": "time-sensitive",
        },
        "delivery_id": "0197-aa",
        "kind": "message",
        "data": {"conversation_id": "c1"},
    }
    names = ("apns-push-type", "apns-priority", "apns-expiration", "apns-collapse-id", "apns-id")
    assert [first.headers[name] for name in names] == [
        "alert",
        "10",
        str(NOW // 1000 + 86_400),
        "entry-1",
        "0197-aa",
    ]
    assert "apns-collapse-id" not in second.headers
    assert "interruption-level" not in second.payload["aps"]
    assert first.headers["authorization"] == second.headers["authorization"]
    assert apple.server.connections == 1, "one connection for all"


async def test_tokens_are_renewed_in_time(apple: Apple) -> None:
    await apple.apns.send(DEVICE, push())
    for minutes in (40, 10, 30):
        apple.clock.move(minutes * 60)
        apple.server.now = apple.clock.now() // 1000
        await apple.apns.send(DEVICE, push())
    tokens = [asked.headers["authorization"] for asked in apple.server.asked]
    assert tokens[0] == tokens[1] != tokens[2] == tokens[3]


async def test_a_token_that_apple_calls_too_old_is_made_anew(apple: Apple) -> None:
    apple.server.now += 2 * 3600  # the clocks do not agree
    with pytest.raises(PushDelayed, match="ExpiredProviderToken") as caught:
        await apple.apns.send(DEVICE, push())
    assert caught.value.unreachable
    apple.clock.move(2 * 3600)
    await apple.apns.send(DEVICE, push())


async def test_somebody_elses_key_is_not_taken(apple: Apple) -> None:
    with pytest.raises(PushDelayed, match="InvalidProviderToken") as caught:
        await apple.stranger.send(DEVICE, push())
    assert caught.value.unreachable, "the operator can mend it: nothing is lost"
    assert apple.server.asked == []


async def test_what_apple_answers(apple: Apple) -> None:
    async def sent(status: int, reason: str, **headers: str) -> Any:
        content: dict[str, Any] = {"reason": reason} if reason else {}
        if status == 410:
            content["timestamp"] = NOW - 5
        apple.server.answers.append((status, content, headers))
        try:
            await apple.apns.send(DEVICE, push())
        except (PushDelayed, PushGone, PushRefused) as error:
            return error
        return None

    assert await sent(200, "") is None
    gone = await sent(410, "Unregistered")
    assert (type(gone), gone.since) == (PushGone, NOW - 5)
    for reason in ("BadDeviceToken", "DeviceTokenNotForTopic"):
        assert isinstance(await sent(400, reason), PushGone)
    for status, reason in ((400, "BadMessageId"), (413, "PayloadTooLarge"), (404, "BadPath")):
        assert isinstance(await sent(status, reason), PushRefused)
    busy = await sent(429, "TooManyRequests", **{"retry-after": "7"})
    assert (type(busy), busy.after, busy.unreachable) == (PushDelayed, 7, False)
    for status, reason in ((500, "InternalServerError"), (503, "Shutdown"), (400, "TopicDisallowed")):
        down = await sent(status, reason)
        assert (type(down), down.unreachable) == (PushDelayed, True)
    assert str(await sent(500, "a <b>reason</b>")) == "APNs answered 500"


async def test_a_long_text_is_cut_to_fit(apple: Apple) -> None:
    await apple.apns.send(DEVICE, push(body="😀" * 5000))
    (asked,) = apple.server.asked
    assert asked.payload["aps"]["alert"]["body"].endswith("😀…")


async def test_a_strange_token_stays_a_part_of_the_path(apple: Apple) -> None:
    await apple.apns.send(Target("apns", "../x?y=1#z\r\n", "t", "u"), push())
    assert apple.server.asked[0].device == "..%2Fx%3Fy%3D1%23z%0D%0A"


async def test_apple_is_away() -> None:
    clock = Time()
    tokens = ProviderTokens(ec.generate_private_key(ec.SECP256R1()), KEY, TEAM, clock)
    apns = Apns(tokens, BUNDLE, clock, url="https://127.0.0.1:9")
    with pytest.raises(PushDelayed) as caught:
        await apns.send(DEVICE, push())
    assert caught.value.unreachable
    await apns.close()
