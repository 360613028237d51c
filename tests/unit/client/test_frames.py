"""Frames and close reasons: everything is understood, passed on, or refused in one way."""

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secureconnect.client import ErrorFrame, Event, OtherFrame, ProtocolError, RateLimited, SocketClosed
from secureconnect.client.frames import Ack, parse_close, parse_frame
from secureconnect.client.verdict import Action, after_close

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
known = st.sampled_from(["event", "ack", "error", "welcome", "presence", "conversation_added", "pong"])


@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_break_the_protocol(raw: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        parse_frame(raw)


@given(known, st.dictionaries(st.sampled_from(["seq", "data", "ref", "code", "message", "x"]), json_values))
def test_known_types_with_any_fields_are_a_frame_or_break_the_protocol(
    kind: str, fields: dict[str, Any]
) -> None:
    with contextlib.suppress(ProtocolError):
        parse_frame(msgspec.json.encode({**fields, "type": kind}))


def test_frames_keep_what_is_new() -> None:
    frame = parse_frame(b'{"type":"poll_moved","where":{"x":1}}')
    assert frame == OtherFrame(type="poll_moved", fields={"type": "poll_moved", "where": {"x": 1}})
    event = parse_frame(
        b'{"type":"event","conversation_id":"c","seq":1,"event_id":"e","kind":"of_the_future",'
        b'"sent_at":"2026-01-31T12:00:00.000Z","data":{},"more":1}'
    )
    assert isinstance(event, Event)
    assert event.kind == "of_the_future"
    ack = parse_frame(b'{"type":"ack","ref":"1","seq":7}')
    assert isinstance(ack, Ack)
    assert b'"seq":7' in ack.raw


def test_error_frames_become_exceptions() -> None:
    frame = parse_frame(b'{"type":"error","code":"RATE_LIMIT_EXCEEDED","message":"slow","retry_after":3}')
    assert isinstance(frame, ErrorFrame)
    error = frame.failure()
    assert isinstance(error, RateLimited)
    assert (error.status, error.retry_after, error.transient) == (429, 3, True)


@pytest.mark.parametrize(
    ("reason", "name", "wait"),
    [
        ('{"code":"shutting_down","retry_after_ms":1500}', "shutting_down", 1500),
        ('{"code":"banned"}', "banned", None),
        ("", "", None),
        ("going away", "", None),
        ('["x"]', "", None),
    ],
)
def test_close_reasons(reason: str, name: str, wait: int | None) -> None:
    close = parse_close(4501, reason)
    assert (close.code, close.name, close.retry_after_ms) == (4501, name, wait)


@given(st.integers(1000, 4999))
def test_the_range_rule_of_close_codes(code: int) -> None:
    action = after_close(SocketClosed(code)).action
    if code == 4002:
        assert action is Action.REFRESH
    elif code == 4008:
        assert action is Action.AT_ONCE
    elif 4000 <= code <= 4499 or code == 1009:
        assert action is Action.STOP
    else:
        assert action is Action.WAIT
