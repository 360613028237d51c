"""Sending: decided once, under facts that hold at the commit."""

from typing import Any, cast

import pytest

from secureconnect.features.conversations.api import Conversations, Facts
from secureconnect.features.messages.rules import MessageLimits
from secureconnect.features.messages.service import Poster, SenderNames, SendRequest, SendService, Sent
from secureconnect.infra.database.base import Database
from secureconnect.infra.timeline.base import Timeline
from secureconnect.kit.errors import ApiError, ErrorCode
from tests.unit.messages.fakes import (
    NO_FILES,
    FakeClock,
    FakeConversations,
    FakeTimeline,
    FakeUsers,
    NobodyOnline,
    caller,
    facts,
    user,
)

A, B = "a" * 36, "b" * 36


class Desk:
    def __init__(self, current: Facts | None, guard: int = 0) -> None:
        self.conversations = FakeConversations(current)
        self.timeline = FakeTimeline(guard)
        names = SenderNames(FakeUsers(user(A), user(B)))  # type: ignore[arg-type]
        timeline, conversations = cast("Timeline", self.timeline), cast("Conversations", self.conversations)
        poster = Poster(timeline, conversations, NO_FILES, NobodyOnline(), names, FakeClock())
        self.service = SendService(
            cast("Database", None), timeline, conversations, NO_FILES, poster, MessageLimits()
        )

    async def send(self, sender_id: str, text: str = "x", **fields: Any) -> Sent:
        current = self.conversations.current
        conversation_id = fields.pop("conversation_id", current.conversation_id if current else "c" * 36)
        return await self.service.send(caller(sender_id), SendRequest(conversation_id, text, **fields))

    async def refused(self, sender_id: str, **fields: Any) -> ErrorCode:
        with pytest.raises(ApiError) as refused:
            await self.send(sender_id, **fields)
        return refused.value.code


async def test_a_member_sends_and_sees_its_key_again() -> None:
    desk = Desk(facts([A, B]))
    sent = await desk.send(A, "hello", client_message_id="k", metadata={"n": 5})
    assert (sent.duplicate, sent.message.seq, sent.message.content) == (False, 1, "hello")
    assert (sent.message.sender_id, sent.message.sender_name) == (A, "User A")
    assert (sent.message.client_message_id, sent.message.metadata) == ("k", {"n": "5"})
    assert [statement.sql for statement in desk.timeline.rode[0]] == ["marks"]


async def test_a_send_wakes_who_hid_the_conversation() -> None:
    desk = Desk(facts([A, B], wake=True))
    await desk.send(A)
    assert [statement.sql for statement in desk.timeline.rode[0]] == ["marks", "wake"]


async def test_content_is_checked_before_anything_is_looked_up() -> None:
    assert await Desk(None).refused(A, text=" ") is ErrorCode.VALIDATION_ERROR


async def test_unknown_and_foreign_conversations() -> None:
    desk = Desk(facts([A]))
    assert await desk.refused(A, conversation_id="d" * 36) is ErrorCode.NOT_FOUND
    assert await desk.refused(B) is ErrorCode.FORBIDDEN
    assert desk.timeline.log == []


async def test_stale_facts_are_read_again_before_the_message_goes_in() -> None:
    old = facts([A, B], guard=1)
    desk = Desk(old, guard=3)
    desk.conversations.next_facts = [
        facts([A, B], guard=2, conversation_id=old.conversation_id),
        facts([A, B], guard=3, conversation_id=old.conversation_id, wake=True),
    ]
    assert (await desk.send(A)).message.seq == 1
    assert [statement.sql for statement in desk.timeline.rode[0]] == ["marks", "wake"]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"members": [A]}, ErrorCode.FORBIDDEN),
        ({"members": [A, B], "admins": [A], "admins_post": True}, ErrorCode.FORBIDDEN),
        ({"members": [A, B], "blocked": True}, ErrorCode.FORBIDDEN),
        ({"members": [A, B], "encrypted": True}, ErrorCode.E2EE_REQUIRED),
        (None, ErrorCode.NOT_FOUND),
    ],
)
async def test_nothing_slips_in_behind_a_change(changed: dict[str, Any] | None, code: ErrorCode) -> None:
    old = facts([A, B])
    desk = Desk(old, guard=1)
    fresh = facts(guard=1, conversation_id=old.conversation_id, **changed) if changed else None
    desk.conversations.next_facts = [fresh]
    assert await desk.refused(B, conversation_id=old.conversation_id) is code
    assert desk.timeline.log == []


async def test_a_conversation_that_never_rests_is_given_up() -> None:
    desk = Desk(facts([A]), guard=99)
    assert await desk.refused(A) is ErrorCode.TIMELINE_UNAVAILABLE
    assert desk.timeline.log == []


async def test_a_repeat_gives_the_first_result() -> None:
    desk = Desk(facts([A, B]))
    first = await desk.send(A, "first", client_message_id="k")
    again = await desk.send(A, "other", client_message_id="k")
    assert (again.duplicate, again.message) == (True, first.message)
    assert not (await desk.send(B, client_message_id="k")).duplicate
    assert len(desk.timeline.log) == 2


@pytest.mark.parametrize(
    "change", [{"blocked": True}, {"admins": [A], "admins_post": True}, {"encrypted": True}]
)
async def test_what_was_accepted_once_stays_accepted(change: dict[str, Any]) -> None:
    old = facts([A, B])
    desk = Desk(old)
    first = await desk.send(B, client_message_id="k")
    desk.conversations.current = facts([A, B], guard=1, conversation_id=old.conversation_id, **change)
    desk.timeline.guard = 1
    assert (await desk.send(B, client_message_id="k")).message == first.message
    assert await desk.refused(B, client_message_id="other") in {ErrorCode.FORBIDDEN, ErrorCode.E2EE_REQUIRED}
    assert len(desk.timeline.log) == 1


async def test_who_was_removed_learns_nothing_by_repeating() -> None:
    old = facts([A, B])
    desk = Desk(old)
    await desk.send(B, client_message_id="k")
    desk.conversations.current = facts([A], guard=1, conversation_id=old.conversation_id)
    assert await desk.refused(B, client_message_id="k") is ErrorCode.FORBIDDEN
