"""Committed events become hints, in commit order, whatever must be waited for."""

import asyncio
import json
from typing import Any

from secureconnect.edge.realtime.frames import payload_of
from secureconnect.features.messages.service import Announcer, SenderNames
from secureconnect.infra.timeline.base import StoredEvent
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.hints import EventHint
from tests.unit.messages.fakes import (
    FakeClock,
    FakeHorizons,
    FakeUsers,
    HeardBus,
    NoMetrics,
    event,
    message,
    user,
)

A, B, C = "a" * 36, "b" * 36, "c" * 36
X, Y = "1" * 36, "2" * 36


class Desk:
    def __init__(self, *known: str) -> None:
        self.bus = HeardBus()
        self.users = FakeUsers(*(user(one, f"Name {one[0]}") for one in known))
        self.names = SenderNames(self.users)  # type: ignore[arg-type]
        self.metrics = NoMetrics()
        self.announcer = Announcer(self.bus, self.names, FakeHorizons(), FakeClock(), self.metrics)

    def hints(self, channel: str) -> list[EventHint]:
        return [hint for on, hint in self.bus.heard if on == channel and isinstance(hint, EventHint)]

    def seqs(self, conversation_id: str) -> list[int]:
        return [hint.seq for hint in self.hints(f"conv:{conversation_id}")]


def payload(frame: bytes | None) -> Any:
    assert frame is not None
    return json.loads(bytes(payload_of(frame)))


def said(sender_id: str, seq: int, conversation_id: str = X, key: str | None = None) -> StoredEvent:
    return event(message(sender_id, seq, key=key, conversation_id=conversation_id))


def membership(kind: str, seq: int, user_id: str) -> StoredEvent:
    data = json.dumps({"user_id": user_id}).encode()
    return event(kind=kind, conversation_id=X, seq=seq, data=data)


async def test_known_senders_are_announced_at_once() -> None:
    desk = Desk(A)
    await desk.names.remember(A)
    desk.announcer.committed([said(A, 1, key="k"), said(A, 2)])
    first, second = desk.hints(f"conv:{X}")
    assert (first.seq, first.kind, first.actor_id) == (1, "message_created", A)
    assert first.committed_at == FakeClock().now() / 1000
    assert payload(first.frame)["data"]["message"]["client_message_id"] is None
    assert payload(first.sender_frame)["data"]["message"]["client_message_id"] == "k"
    assert payload(first.frame)["data"]["message"]["sender_name"] == "Name a"
    assert second.sender_frame is None
    assert desk.metrics.counted == [("message_created", "text")] * 2


async def test_members_to_be_hear_of_it_on_their_own_channel() -> None:
    desk = Desk()
    data = json.dumps({"conversation": {}, "members": [A, B]}).encode()
    desk.announcer.committed(
        [
            event(kind="conversation_created", conversation_id=X, seq=1, data=data),
            membership("member_added", 2, C),
            membership("member_role_changed", 3, C),
            membership("member_removed", 4, C),
        ]
    )
    assert desk.seqs(X) == [1, 2, 3, 4]
    assert [hint.seq for hint in desk.hints(f"user:{A}")] == [1]
    assert [hint.seq for hint in desk.hints(f"user:{B}")] == [1]
    assert [hint.seq for hint in desk.hints(f"user:{C}")] == [2]
    assert [hint.subject_id for hint in desk.hints(f"conv:{X}")] == [None, C, None, C]


async def test_a_missing_name_holds_back_its_conversation_only() -> None:
    desk = Desk(A, B)
    await desk.names.remember(A)
    desk.announcer.committed([said(B, 1), said(A, 1, Y)])
    desk.announcer.committed([said(A, 2), membership("member_added", 3, C)])
    assert desk.seqs(X) == []
    assert desk.seqs(Y) == [1]
    await desk.bus.until(lambda: desk.seqs(X) == [1, 2, 3])
    assert payload(desk.hints(f"conv:{X}")[0].frame)["data"]["message"]["sender_name"] == "Name b"
    assert [hint.seq for hint in desk.hints(f"user:{C}")] == [3]
    desk.announcer.committed([said(A, 4)])
    assert desk.seqs(X) == [1, 2, 3, 4], "nobody waits any more"


async def test_names_that_cannot_be_read_are_asked_for_again() -> None:
    desk = Desk(B)
    desk.users.broken = [ApiError(ErrorCode.DATABASE_UNAVAILABLE)]
    desk.announcer.committed([said(B, 1)])
    await desk.bus.until(lambda: desk.seqs(X) == [1])
    assert desk.users.asked == 2


async def test_stopping_gives_up_what_waits() -> None:
    desk = Desk()
    desk.users.broken = [ApiError(ErrorCode.DATABASE_UNAVAILABLE) for _ in range(100)]
    desk.announcer.committed([said(B, 1)])
    await asyncio.sleep(0)
    await desk.announcer.stop()
    assert desk.seqs(X) == []
