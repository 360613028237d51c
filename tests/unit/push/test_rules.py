"""What a push says."""

import pytest

from secureconnect.features.push.api import Ring
from secureconnect.features.push.rules import Content, key_bytes, of_notice, of_ring, of_test
from tests.unit.push.world import notice


def said(type_: str, title: str, body: str, preview: str | None = None) -> tuple[str, str, str]:
    content = of_notice(notice("u", type=type_, title=title, body=body), "n1", preview)
    assert content.data == {"conversation_id": "c1", "notification_id": "n1"}
    assert content.topic == "n1"
    return content.kind, content.title, content.body


def test_without_preview_nothing_but_who() -> None:
    """Neither what was said nor where."""
    assert said("message", "Secret club", "New message from Anna") == (
        "message",
        "New message",
        "New message from Anna",
    )
    for type_, title, body in (
        ("mention", "Anna mentioned you", "In Secret club"),
        ("reaction", "Anna reacted to your message", "Secret club"),
        ("conversation", "New group", "Anna added you: Secret club"),
        ("poll", "Your poll has ended", "In Secret club"),
    ):
        assert said(type_, title, body) == (type_, title, "")
    assert said("security", "New login", "Somebody logged in") == (
        "security",
        "New login",
        "Somebody logged in",
    )
    assert said("call", "Missed call", "From Anna")[0] == "missed_call"


def test_with_preview_what_was_said() -> None:
    assert said("message", "Secret club", "New message from Anna", "Anna: hello") == (
        "message",
        "Secret club",
        "Anna: hello",
    )


def test_what_cannot_wait() -> None:
    assert of_notice(notice("u", type="security"), "n1", None).urgent
    assert not of_notice(notice("u"), "n1", None).urgent
    ring = of_ring(Ring(user_id="u", call_id="c1", text="Anna is calling", data={"conversation_id": "v"}))
    assert ring == Content(
        kind="call",
        title="Incoming call",
        body="Anna is calling",
        data={"conversation_id": "v", "call_id": "c1"},
        urgent=True,
        quiet=True,
        topic="c1",
    )
    assert of_test("T", "B").topic is None


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        ("_-8", b"\xff\xef"),
        ("_-8=", b"\xff\xef"),
        ("/+8=", b"\xff\xef"),
        ("", b""),
        ("a", b""),
        ("a b", b""),
        ("ü", b""),
    ],
)
def test_keys_in_either_alphabet(text: str, raw: bytes) -> None:
    assert key_bytes(text) == raw
