"""Frames as clients see them."""

import msgspec
import pytest

from secureconnect.edge.realtime import frames
from secureconnect.kit.errors import ApiError, Detail, ErrorCode


def decoded(frame: bytes) -> dict[str, object]:
    value: dict[str, object] = msgspec.json.decode(frames.payload_of(frame))
    return value


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_payload_of_undoes_text_frame(size: int) -> None:
    assert bytes(frames.payload_of(frames.text_frame(b"x" * size))) == b"x" * size


def test_event() -> None:
    frame = frames.event_frame("c", 5, "e", "message_created", None, 1_000, msgspec.Raw(b'{"message":{}}'))
    assert decoded(frame) == {
        "type": "event",
        "conversation_id": "c",
        "seq": 5,
        "event_id": "e",
        "kind": "message_created",
        "actor_id": None,
        "sent_at": "1970-01-01T00:00:01.000Z",
        "data": {"message": {}},
    }
    assert frames.event_head(frame) == frames.EventHead(5, "message_created", None, ())
    assert frames.frame_head(frame) == frames.FrameHead("event", "c")


@pytest.mark.parametrize(
    ("kind", "data", "subjects"),
    [
        ("conversation_created", {"members": ["a", "b"]}, ["a", "b"]),
        ("member_added", {"user_id": "a"}, ("a",)),
        ("member_removed", {"user_id": "a", "by": None}, ("a",)),
        ("member_role_changed", {"user_id": "a"}, ()),
        ("reaction_added", {"user_id": "a", "members": 5}, ()),
    ],
)
def test_subjects_of_events(kind: str, data: object, subjects: object) -> None:
    raw = msgspec.Raw(msgspec.json.encode(data))
    assert frames.event_head(frames.event_frame("c", 1, "e", kind, "x", 0, raw)).subjects == subjects


def test_ack() -> None:
    assert decoded(frames.ack_frame('a"b', None)) == {"type": "ack", "ref": 'a"b'}
    assert decoded(frames.ack_frame("r", {})) == {"type": "ack", "ref": "r"}
    assert decoded(frames.ack_frame("r", {"seq": None})) == {"type": "ack", "ref": "r", "seq": None}


def test_error_has_only_what_it_has() -> None:
    assert decoded(frames.error_frame(None, ApiError(ErrorCode.FORBIDDEN, "No."))) == {
        "type": "error",
        "code": "FORBIDDEN",
        "message": "No.",
    }
    error = ApiError(ErrorCode.CONFLICT, "No.", details=[Detail("f", "m")], retry_after=3)
    assert decoded(frames.error_frame("r", error)) == {
        "type": "error",
        "ref": "r",
        "code": "CONFLICT",
        "message": "No.",
        "details": [{"field": "f", "message": "m"}],
        "retry_after": 3,
    }


def test_pong_has_only_what_the_ping_had() -> None:
    assert decoded(frames.pong_frame(None, None, 0)) == {
        "type": "pong",
        "server_time": "1970-01-01T00:00:00.000Z",
    }
