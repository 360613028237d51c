"""One renderer: what a socket gets at commit is what a later read gives."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secureconnect.edge.realtime.frames import payload_of
from secureconnect.features.messages.service.rendering import (
    SenderNames,
    render_event,
    render_frame,
    render_message,
    sender_frame,
    senders,
)
from secureconnect.kit.objects import Message
from tests.unit.messages.fakes import FakeUsers, event, message, user

A, B, C = "a" * 36, "b" * 36, "c" * 36
NAMES = {A: "User A"}


def payload(frame: bytes) -> Any:
    return json.loads(bytes(payload_of(frame)))


def test_the_key_is_shown_to_its_sender_only() -> None:
    stored = message(A, key="k1")
    assert render_message(stored, NAMES, A).client_message_id == "k1"
    assert render_message(stored, NAMES, B).client_message_id is None
    assert render_message(stored, NAMES, None).client_message_id is None


def test_a_message_is_complete() -> None:
    stored = msgspec.structs.replace(message(A, 7, content="hi"), metadata={"n": "5"}, e2ee=b'{"alg":"x"}')
    shown = msgspec.to_builtins(render_message(stored, NAMES, B))
    assert set(shown) == set(Message.__struct_fields__)
    assert (shown["seq"], shown["sender_id"], shown["sender_name"]) == (7, A, "User A")
    assert (shown["content"], shown["metadata"], shown["e2ee"]) == ("hi", {"n": "5"}, {"alg": "x"})
    assert shown["sent_at"] == "2023-11-14T22:13:20.000Z"
    assert (shown["deleted_at"], shown["edit_count"], shown["reactions"]) == (None, 0, [])


def test_a_frame_says_what_the_event_says() -> None:
    of_message = event(message(A, 3, key="k"))
    of_member = event(kind="member_added", conversation_id=C, seq=4, data=b'{"user_id":"u","role":"member"}')
    for stored in (of_message, of_member):
        for viewer in (A, B):
            frame = payload(render_frame(stored, NAMES, viewer))
            assert frame.pop("type") == "event"
            assert frame == msgspec.to_builtins(render_event(stored, NAMES, viewer))


text = st.text(st.characters(codec="utf-8"), max_size=60)
hostile = st.sampled_from(
    ['"client_message_id":null', '\\"client_message_id":null', '","client_message_id":null,"', "\\", '"']
)


@given(
    name=text | hostile, content=text | hostile, key=st.from_regex(r"[A-Za-z0-9._:-]{1,64}", fullmatch=True)
)
def test_the_senders_variant_equals_rendering_for_the_sender(name: str, content: str, key: str) -> None:
    stored = event(message(A, key=key, content=content))
    names = {A: name}
    assert sender_frame(render_frame(stored, names, None), key) == render_frame(stored, names, A)


@pytest.mark.parametrize("size", [0, 10, 100, 65_000, 70_000])
def test_the_senders_variant_has_the_length_it_says(size: int) -> None:
    stored = event(message(A, key="k" * 64, content="x" * size))
    assert sender_frame(render_frame(stored, NAMES, None), "k" * 64) == render_frame(stored, NAMES, A)


async def test_names_follow_the_accounts() -> None:
    users = FakeUsers(user(A, "First"), user(B, state="erased"))
    names = SenderNames(users)  # type: ignore[arg-type]
    await names.remember(A)
    assert names.recent[A] == "First"
    users.records[A] = user(A, "Second")
    await names.remember(A)
    assert names.recent[A] == "Second"
    assert dict(await names.of([A, B, C])) == {A: "Second", B: "Deleted user", C: "Deleted user"}


async def test_no_names_need_no_query() -> None:
    users = FakeUsers()
    assert dict(await SenderNames(users).of(senders([message(None), None]))) == {}  # type: ignore[arg-type]
    assert users.asked == 0


async def test_names_are_not_kept_for_good() -> None:
    names = SenderNames(FakeUsers())  # type: ignore[arg-type]
    for number in range(10_050):
        await names.remember(str(number))
    assert len(names.recent) == 10_000
    assert "10049" in names.recent
    assert "49" not in names.recent
