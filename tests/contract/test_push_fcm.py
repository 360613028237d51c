"""FCM HTTP v1 with a service account, against a server that checks both."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from secureconnect.infra.push.base import PushDelayed, PushGone, PushRefused, Target
from secureconnect.infra.push.fcm import Fcm
from secureconnect.infra.push.fcm_account import read_account
from tests.contract.fcm_server import FcmServer
from tests.contract.push_worlds import NOW, Time, push
from tests.mailbox import certificate

EMAIL = "push@chat.iam.gserviceaccount.com"
PROJECT = "chat-1"
DEVICE = Target("fcm", "registration-token-of-a-device", "t", "u", "android")


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def credentials(**fields: Any) -> str:
    """The file that the Firebase console gives."""
    values = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "k1",
        "private_key": rsa_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "client_email": EMAIL,
        "client_id": "1",
        **fields,
    }
    return json.dumps(values)


class Google(NamedTuple):
    """The server, and what talks to it."""

    server: FcmServer
    fcm: Fcm
    clock: Time


@pytest.fixture
async def google(tmp_path: Path) -> AsyncIterator[Google]:
    public = rsa_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    pem, clock = certificate(tmp_path), Time()
    server = FcmServer(public, pem, email=EMAIL, project=PROJECT)
    account = read_account(credentials(token_uri=f"{server.url}/token"))
    fcm = Fcm(account, clock, url=server.url, tls=ssl.create_default_context(cafile=str(pem)))
    yield Google(server, fcm, clock)
    await fcm.close()
    server.close()


async def test_a_push_as_firebase_wants_it(google: Google) -> None:
    await google.fcm.check(DEVICE)
    await google.fcm.send(DEVICE, push(topic="entry-1"))
    (message,) = google.server.messages
    assert message == {
        "token": DEVICE.token,
        "data": {"conversation_id": "c1", "delivery_id": "0197-aa", "kind": "message", "badge": "3"},
        "notification": {"title": "New message", "body": "New message from Anna"},
        "android": {
            "priority": "NORMAL",
            "ttl": "86400s",
            "notification": {"notification_count": 3, "tag": "entry-1"},
        },
    }
    (grant,) = google.server.grants
    assert (grant["iss"], grant["iat"]) == (EMAIL, NOW // 1000)


async def test_a_call_wakes_the_app_and_shows_nothing_by_itself(google: Google) -> None:
    call = push(kind="call", urgent=True, quiet=True, expires_at=NOW + 45_000, topic="call-1")
    await google.fcm.send(DEVICE, call)
    await google.fcm.send(Target("fcm", "x" * 30, "t", "u", "ios"), call)
    android, ios = google.server.messages
    assert "notification" not in android
    assert android["android"] == {"priority": "HIGH", "ttl": "45s"}
    assert (android["data"]["kind"], android["data"]["title"]) == ("call", "New message")
    assert ios["apns"]["headers"] == {
        "apns-priority": "10",
        "apns-expiration": str(NOW // 1000 + 45),
        "apns-collapse-id": "call-1",
    }
    assert ios["apns"]["payload"]["aps"]["alert"]["title"] == "New message"
    assert all(isinstance(value, str) for value in ios["data"].values())


async def test_one_access_token_serves_many_until_shortly_before_its_end(google: Google) -> None:
    await asyncio.gather(*(google.fcm.send(DEVICE, push()) for _ in range(5)))
    google.clock.move(3500)
    await google.fcm.send(DEVICE, push())
    assert len(google.server.grants) == 1
    google.clock.move(40)
    await google.fcm.send(DEVICE, push())
    assert len(google.server.grants) == 2


async def test_an_access_token_that_was_taken_back_is_asked_for_anew(google: Google) -> None:
    await google.fcm.send(DEVICE, push())
    google.server.revoked.add("access-0")
    with pytest.raises(PushDelayed, match="401") as caught:
        await google.fcm.send(DEVICE, push())
    assert caught.value.unreachable
    await google.fcm.send(DEVICE, push())
    assert len(google.server.grants) == 2


async def test_no_access_token_no_push(google: Google) -> None:
    google.server.grant_answers += [503, 400, 200]
    for reason in ("503", "400", "not understood"):
        with pytest.raises(PushDelayed, match=reason) as caught:
            await google.fcm.send(DEVICE, push())
        assert caught.value.unreachable
    await google.fcm.send(DEVICE, push())


async def test_what_firebase_answers(google: Google) -> None:
    async def sent(status: int, code: str, *, field: str | None = None, **headers: str) -> Any:
        details: list[Any] = []
        if code:
            kind = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
            details.append({"@type": kind, "errorCode": code})
        if field is not None:
            kind = "type.googleapis.com/google.rpc.BadRequest"
            details.append({"@type": kind, "fieldViolations": [{"field": field, "description": "x"}]})
        error = {"code": status, "message": "x", "status": "X", "details": details}
        google.server.answers.append((status, {"error": error}, headers))
        try:
            await google.fcm.send(DEVICE, push())
        except (PushDelayed, PushGone, PushRefused) as found:
            return found
        return None

    gone = await sent(404, "UNREGISTERED")
    assert (type(gone), str(gone)) == (PushGone, "FCM answered 404 UNREGISTERED")
    assert isinstance(await sent(403, "SENDER_ID_MISMATCH"), PushGone)
    assert isinstance(await sent(400, "INVALID_ARGUMENT", field="message.token"), PushGone)
    assert isinstance(await sent(400, "INVALID_ARGUMENT", field="message.android.ttl"), PushRefused)
    busy = await sent(429, "QUOTA_EXCEEDED")
    assert (type(busy), busy.after, busy.unreachable) == (PushDelayed, 60, False)
    assert (await sent(429, "QUOTA_EXCEEDED", **{"retry-after": "7"})).after == 7
    for status, code in ((500, "INTERNAL"), (503, "UNAVAILABLE"), (403, ""), (404, "")):
        down = await sent(status, code)
        assert (type(down), down.unreachable) == (PushDelayed, True), status
    google.server.answers.append((502, b"<html>", {}))
    with pytest.raises(PushDelayed, match="502"):
        await google.fcm.send(DEVICE, push())


async def test_a_long_text_is_cut_to_fit(google: Google) -> None:
    await google.fcm.send(DEVICE, push(body="😀" * 5000))
    (message,) = google.server.messages
    assert len(json.dumps(message["notification"], ensure_ascii=False).encode()) < 4000
    assert message["notification"]["body"].endswith("😀…")


async def test_firebase_is_away() -> None:
    account = read_account(credentials(token_uri="https://127.0.0.1:9/token"))
    fcm = Fcm(account, Time(), url="https://127.0.0.1:9")
    with pytest.raises(PushDelayed) as caught:
        await fcm.send(DEVICE, push())
    assert caught.value.unreachable
    await fcm.close()


def test_credentials_are_a_whole_account() -> None:
    account = read_account(credentials())
    assert (account.project_id, account.token_uri) == (PROJECT, "https://oauth2.googleapis.com/token")
    assert "PRIVATE" not in repr(account)
    elliptic = ec.generate_private_key(ec.SECP256R1())
    pem = elliptic.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    for wrong in (
        "",
        "{}",
        credentials(type="authorized_user"),
        credentials(project_id="../x"),
        credentials(private_key="none"),
        credentials(private_key=pem),
        credentials(token_uri="http://oauth2.example.test/token"),
    ):
        with pytest.raises(ValueError, match=r"."):
            read_account(wrong)
