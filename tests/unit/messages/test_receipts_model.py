"""Read marks, unread counts and receipts against a plain model (hypothesis; invariant I11)."""

import asyncio
from pathlib import Path
from typing import cast

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from secureconnect.features.messages.api import Outgoing
from tests.unit.conversations.world import CONTEXT
from tests.unit.messages.desk import Desk, by, desk

_people = st.integers(0, 2)


class Marks(RuleBasedStateMachine):
    """Three members send, receive, read and delete; A is the admin and reads all receipts."""

    def __init__(self, runner: asyncio.Runner, place: Desk) -> None:
        super().__init__()
        self.run = runner.run
        self.place = place
        self.people = self.run(place.world.people("a", "b", "c"))
        self.g = self.run(place.world.group(*self.people))
        head = self.run(place.world.timeline.head(self.g))
        assert head is not None
        self.head = head.last_seq
        self.read_to = [self.head] * 3
        self.got_to = [self.head] * 3
        self.said: dict[int, tuple[str, int]] = {}  # by seq: message id and sender
        self.deleted: set[int] = set()

    @rule(sender=_people)
    def say(self, sender: int) -> None:
        outgoing = Outgoing(conversation_id=self.g, sender_id=self.people[sender], content="x")
        message = self.run(self.place.cases.neighbours.post(outgoing))
        self.head = message.seq
        self.said[message.seq] = message.message_id, sender
        # A send moves the sender's own marks and nobody else's.
        self.read_to[sender] = self.got_to[sender] = message.seq

    @rule(reader=_people, back=st.integers(-2, 8))
    def read(self, reader: int, back: int) -> None:
        seq = max(0, self.head - back)
        self.run(self.place.marking.read(by(self.people[reader]), self.g, seq))
        self.read_to[reader] = max(self.read_to[reader], min(seq, self.head))
        self.got_to[reader] = max(self.got_to[reader], self.read_to[reader])

    @rule(reader=_people, back=st.integers(-2, 8))
    def receive(self, reader: int, back: int) -> None:
        seq = max(0, self.head - back)
        reached = self.run(self.place.marking.delivered(by(self.people[reader]), self.g, seq))
        self.got_to[reader] = max(self.got_to[reader], min(seq, self.head))
        assert reached == self.got_to[reader]

    @rule(place=st.integers(0, 10))
    def delete(self, place: int) -> None:
        left = [seq for seq in self.said if seq not in self.deleted]
        if left:
            seq = left[place % len(left)]
            message_id, sender = self.said[seq]
            self.run(self.place.cases.neighbours.delete(by(self.people[sender]), message_id, CONTEXT))
            self.deleted.add(seq)
            self.head += 1

    @invariant()
    def counts(self) -> None:
        for person, user_id in enumerate(self.people):
            state = self.run(self.place.world.neighbours.my_state(self.g, user_id))
            assert (state.last_read_seq, state.last_delivered_seq) == (
                self.read_to[person],
                self.got_to[person],
            )
            assert 0 <= state.last_read_seq <= state.last_delivered_seq <= self.head
            unread = [
                seq
                for seq, (_, sender) in self.said.items()
                if seq > self.read_to[person] and sender != person and seq not in self.deleted
            ]
            assert state.unread_count == len(unread)

    @invariant()
    def receipts(self) -> None:
        for seq, (message_id, sender) in self.said.items():
            if seq in self.deleted:
                continue
            page = self.run(
                self.place.cases.receivers.receipts(by(self.people[0]), message_id, cursor=None, limit=200)
            )
            assert {one.user_id: (one.delivered, one.read) for one in page.receipts} == {
                user_id: (self.got_to[person] >= seq, self.read_to[person] >= seq)
                for person, user_id in enumerate(self.people)
                if person != sender
            }


def test_marks_follow_the_model(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        opened = desk(tmp_path)
        place = runner.run(opened.__aenter__())
        try:
            run_state_machine_as_test(
                cast("type[Marks]", lambda: Marks(runner, place)),
                settings=settings(max_examples=20, stateful_step_count=15, deadline=None),
            )
        finally:
            runner.run(opened.__aexit__(None, None, None))
