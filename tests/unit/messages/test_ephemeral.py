"""Receipts and typing: hints for others, never too many of them."""

import json
from typing import Any

import pytest

from secureconnect.edge.realtime.frames import payload_of
from secureconnect.edge.realtime.timers import Timers
from secureconnect.features.messages.service.receipts import Receipt, ReceiptKind, Receipts
from secureconnect.features.messages.socket import Typing
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.hints import ConversationFrame, UserFrame
from tests.unit.messages.fakes import FakeClock, FakeConversations, HeardBus, caller, facts

A, B, C = "a" * 36, "b" * 36, "c" * 36


def payload(frame: bytes) -> Any:
    return json.loads(bytes(payload_of(frame)))


def receipt(seq: int, kind: ReceiptKind = "read", user_id: str = A, conversation_id: str = C) -> Receipt:
    return Receipt(kind, conversation_id, user_id, seq, 1_700_000_000_000, "socket")


class Post:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.timers = Timers(self.clock)
        self.bus = HeardBus()
        self.receipts = Receipts(self.bus, self.timers)

    def pass_time(self, seconds: float) -> None:
        self.clock.seconds += seconds
        self.timers.poll()

    def told(self) -> list[tuple[str, int]]:
        return [
            (frame["kind"], frame["seq"])
            for _, hint in self.bus.heard
            if isinstance(hint, ConversationFrame) and (frame := payload(hint.frame))
        ]


def test_a_receipt_goes_to_the_others_and_to_the_own_other_devices() -> None:
    post = Post()
    post.receipts.tell(receipt(5))
    (conversation, to_others), (own, to_self) = post.bus.heard
    assert (conversation, own) == (f"conv:{C}", f"user:{A}")
    assert isinstance(to_others, ConversationFrame)
    assert isinstance(to_self, UserFrame)
    assert to_others.except_user == A
    assert to_self.except_connection == "socket"
    assert to_self.frame == to_others.frame
    assert payload(to_others.frame) == {
        "type": "receipt",
        "kind": "read",
        "conversation_id": C,
        "user_id": A,
        "seq": 5,
        "at": "2023-11-14T22:13:20.000Z",
    }


def test_one_receipt_per_second_the_latest_wins() -> None:
    post = Post()
    for seq in range(1, 6):
        post.receipts.tell(receipt(seq))
    assert post.told() == [("read", 1)]
    post.pass_time(0.9)
    assert post.told() == [("read", 1)]
    post.pass_time(0.2)
    assert post.told() == [("read", 1), ("read", 5)]
    post.receipts.tell(receipt(6))
    assert len(post.told()) == 2, "the second receipt began a second of its own"
    post.pass_time(1.1)
    post.pass_time(1.1)
    assert post.told()[2:] == [("read", 6)]
    post.receipts.tell(receipt(7))
    assert post.told()[3:] == [("read", 7)], "after a quiet second there is no waiting"


def test_a_delivered_does_not_cost_others_the_read() -> None:
    post = Post()
    for one in (receipt(1), receipt(2), receipt(3, "delivered"), receipt(4, "delivered")):
        post.receipts.tell(one)
    for _ in range(3):
        post.pass_time(1.1)
    assert post.told() == [("read", 1), ("read", 2), ("delivered", 4)]


def test_users_and_conversations_do_not_wait_for_each_other() -> None:
    post = Post()
    post.receipts.tell(receipt(1))
    post.receipts.tell(receipt(2, user_id=B))
    post.receipts.tell(receipt(3, conversation_id="d" * 36))
    assert [seq for _, seq in post.told()] == [1, 2, 3]


async def test_typing_is_relayed_once_in_three_seconds() -> None:
    clock, bus, here = FakeClock(), HeardBus(), facts([A, B], conversation_id=C)
    typing = Typing(FakeConversations(here), bus, clock, 3)  # type: ignore[arg-type]
    for _ in range(10):
        await typing.relay(caller(A), C, is_typing=True)
        clock.seconds += 0.29
    await typing.relay(caller(B), C, is_typing=True)
    assert [hint.except_user for _, hint in bus.heard if isinstance(hint, ConversationFrame)] == [A, B]
    clock.seconds += 3
    await typing.relay(caller(A), C, is_typing=False)
    channel, hint = bus.heard[-1]
    assert channel == f"conv:{C}"
    assert isinstance(hint, ConversationFrame)
    assert payload(hint.frame) == {
        "type": "typing",
        "conversation_id": C,
        "user_id": A,
        "is_typing": False,
    }


async def test_typing_is_for_members_and_not_across_a_block() -> None:
    bus = HeardBus()
    for here, who, code in (
        (None, A, ErrorCode.NOT_FOUND),
        (facts([A], conversation_id=C), B, ErrorCode.FORBIDDEN),
        (facts([A, B], conversation_id=C, blocked=True), A, ErrorCode.FORBIDDEN),
    ):
        typing = Typing(FakeConversations(here), bus, FakeClock(), 3)  # type: ignore[arg-type]
        with pytest.raises(ApiError) as refused:
            await typing.relay(caller(who), C, is_typing=True)
        assert refused.value.code is code
    assert bus.heard == []


async def test_who_typed_is_forgotten() -> None:
    clock, here = FakeClock(), facts([str(n) for n in range(3000)], conversation_id=C)
    typing = Typing(FakeConversations(here), HeardBus(), clock, 3)  # type: ignore[arg-type]
    for n in range(3000):
        await typing.relay(caller(str(n)), C, is_typing=True)
        clock.seconds += 0.01
    assert len(typing._last) < 1100
