"""Tokens for LiveKit, and what comes from it."""

import base64
import hashlib
import json
from typing import Any

import jwt
import pytest

from secureconnect.infra.sfu.base import SfuEvent, WebhookRefused
from secureconnect.infra.sfu.livekit_tokens import LiveKitKey

SECRET = "a secret of thirty-two characters"
NOW = 1_800_000_000_000
SECOND = NOW // 1000
KEY = LiveKitKey("APIname", SECRET)
BODY = json.dumps(
    {
        "event": "participant_left",
        "id": "EV_1",
        "createdAt": "1800000000",
        "room": {"name": "call", "sid": "RM_1"},
        "participant": {"identity": "ann", "joinedAt": "1799999990"},
        "something": {"new": [1]},
    }
).encode()


def claims_of(token: str) -> dict[str, Any]:
    return jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_exp": False, "verify_nbf": False})


def told(body: bytes = BODY, secret: str = SECRET, **claims: object) -> str:
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    whole = {"iss": "APIname", "nbf": SECOND, "exp": SECOND + 300, "sha256": digest, **claims}
    return jwt.encode({name: claim for name, claim in whole.items() if claim is not None}, secret, "HS256")


def test_an_entry_grants_one_room_and_no_administration() -> None:
    claims = claims_of(KEY.entry("call", "ann", now=NOW, ttl=600))
    assert (claims["iss"], claims["sub"], claims["exp"]) == ("APIname", "ann", SECOND + 600)
    assert claims["video"] == {
        "room": "call",
        "roomJoin": True,
        "canPublish": True,
        "canSubscribe": True,
        "canPublishData": False,
        "canUpdateOwnMetadata": False,
    }


def test_our_own_requests_cannot_be_used_to_join() -> None:
    claims = claims_of(KEY.administration("call", now=NOW))
    assert "roomJoin" not in claims["video"]
    assert claims["exp"] == SECOND + 60


def test_secrets_do_not_show() -> None:
    assert SECRET not in repr(KEY)


def test_a_webhook() -> None:
    assert KEY.read(BODY, told(), now=NOW) == SfuEvent("EV_1", "participant_left", "call", "ann", NOW)
    unknown = BODY.replace(b"participant_left", b"track_published")
    assert KEY.read(unknown, f"Bearer {told(unknown)}", now=NOW).kind == "other"
    bare = b'{"event":"room_finished"}'
    assert KEY.read(bare, told(bare), now=NOW) == SfuEvent("", "room_finished", "", None, 0)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "Bearer",
        "not.a.token",
        told(secret="another secret of thirty-two characters"),
        told(iss="APIother"),
        told(iss=None),
        told(exp=None),
        told(exp="soon"),
        told(exp=SECOND - 61),
        told(nbf=SECOND + 61),
        told(nbf="now"),
        told(sha256=None),
        told(sha256=""),
        told(sha256=5),
        told(b"{}"),
        jwt.encode({"iss": "APIname", "exp": SECOND + 300}, "", "none"),
    ],
)
def test_a_forged_webhook(token: str) -> None:
    with pytest.raises(WebhookRefused):
        KEY.read(BODY, token, now=NOW)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"event":1}',
        b'{"event":"x","createdAt":"soon"}',
        b'{"event":"x","room":1}',
    ],
)
def test_a_signed_body_that_is_none(body: bytes) -> None:
    with pytest.raises(WebhookRefused):
        KEY.read(body, told(body), now=NOW)
