"""Reactions against a plain model: random acts, one answer (hypothesis); applying equals refetching."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import NamedTuple, cast

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from secureconnect.client import ConversationState, Event, LocalState
from secureconnect.client.models import Conversation, Message
from secureconnect.edge.realtime.frames import payload_of
from secureconnect.features.messages.service import EditRequest, MessagesPage
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.hints import EventHint
from tests.unit.messages.desk import Desk, by, desk

EMOJI = [chr(code) for code in range(0x1F600, 0x1F600 + 60)]
PEOPLE, MESSAGES = 4, 2

_people, _messages = st.integers(0, PEOPLE - 1), st.integers(0, MESSAGES - 1)
_emoji = st.integers(0, 5) | st.integers(45, len(EMOJI) - 1)


class One(NamedTuple):
    """A reaction of the model, in the order in which they were made."""

    person: int
    emoji: int


class Reacting(RuleBasedStateMachine):
    """Four people react to two messages, one of which may be deleted."""

    def __init__(self, runner: asyncio.Runner, place: Desk) -> None:
        super().__init__()
        self.run = runner.run
        self.place = place
        world = place.world
        self.people = self.run(world.people(*"abcd"))
        # Before the group: what is heard from here on is its whole log.
        self.first = len(world.bus.heard)
        self.g = self.run(world.group(*self.people))
        for number in range(MESSAGES):
            self.run(world.send(self.people[0], self.g, str(number)))
        page = self.page(0)
        self.ids = [message.message_id for message in page.messages]
        self.made: list[list[One]] = [[] for _ in self.ids]
        self.deleted: set[int] = set()
        self.looks = 0

    def page(self, person: int) -> MessagesPage:
        return self.run(
            self.place.reading.messages(by(self.people[person]), self.g, cursor=None, around=None, limit=50)
        )

    @initialize()
    def fill(self) -> None:
        """On one of the messages both limits are near."""
        for person, start, count in ((0, 0, 17), (1, 17, 16), (2, 33, 17)):
            self.add_many(person, 1, start, count)

    @rule(person=_people, message=_messages, emoji=_emoji)
    def add(self, person: int, message: int, emoji: int) -> None:
        made, one = self.made[message], One(person, emoji)
        distinct = {each.emoji for each in made}
        refused, fresh = None, one not in made
        if message in self.deleted:
            refused = ErrorCode.NOT_FOUND
        elif fresh and (
            sum(each.person == person for each in made) >= 20
            or (len(distinct) >= 50 and emoji not in distinct)
        ):
            refused = ErrorCode.LIMIT_REACHED
        self.act("add", one, message, refused, told=fresh)
        if refused is None and fresh:
            made.append(one)

    @rule(person=_people, message=_messages, start=st.integers(0, 40), count=st.integers(5, 20))
    def add_many(self, person: int, message: int, start: int, count: int) -> None:
        for emoji in range(start, min(start + count, len(EMOJI))):
            self.add(person, message, emoji)

    @rule(person=_people, message=_messages, emoji=_emoji)
    def remove(self, person: int, message: int, emoji: int) -> None:
        one = One(person, emoji)
        there = one in self.made[message]
        self.act("remove", one, message, None if there else ErrorCode.NOT_FOUND, told=there)
        if there:
            self.made[message].remove(one)

    @rule(message=_messages, person=_people)
    def edit(self, message: int, person: int) -> None:
        """An edit leaves reactions alone."""
        work = self.place.cases.editing.edit(
            by(self.people[person]), self.ids[message], EditRequest(content="again")
        )
        try:
            edited = self.run(work).message
        except ApiError as error:
            gone = message in self.deleted
            assert error.code is (ErrorCode.NOT_FOUND if gone else ErrorCode.FORBIDDEN)  # noqa: PT017
        else:
            assert person == 0
            assert [(each.emoji, each.count) for each in edited.reactions] == self.expected(message)

    @rule()
    def delete(self) -> None:
        """Deleting takes them with it."""
        self.run(self.place.cases.deleting.for_everyone(by(self.people[0]), self.ids[0], None))
        self.deleted.add(0)
        self.made[0] = []

    def act(self, kind: str, one: One, message: int, refused: ErrorCode | None, *, told: bool) -> None:
        reacting = self.place.cases.reacting
        user, emoji = by(self.people[one.person]), EMOJI[one.emoji]
        work = reacting.add if kind == "add" else reacting.remove
        try:
            answer = self.run(work(user, self.ids[message], emoji))
        except ApiError as error:
            assert error.code is refused  # noqa: PT017
        else:
            assert refused is None
            assert (answer.seq is not None) == told
            mine = {each.emoji for each in answer.reactions if each.mine}
            assert (emoji in mine) == (kind == "add")

    def expected(self, message: int) -> list[tuple[str, int]]:
        """Each emoji with its count, the one used first first."""
        counts = Counter(each.emoji for each in self.made[message])
        return [(EMOJI[emoji], count) for emoji, count in counts.items()]

    @invariant()
    def adds_up(self) -> None:
        person = self.looks = (self.looks + 1) % PEOPLE
        for place, message in enumerate(self.page(person).messages):
            assert [(each.emoji, each.count) for each in message.reactions] == self.expected(place)
            for each in message.reactions:
                users = [
                    self.people[one.person] for one in self.made[place] if EMOJI[one.emoji] == each.emoji
                ]
                assert each.user_ids == users
                assert each.me == (self.people[person] in users)

    def teardown(self) -> None:
        """Whoever applies the events, live or read later, ends with what a fetch gives."""
        world, viewer = self.place.world, self.people[1]
        heard = [hint for _, hint in world.bus.heard[self.first :] if isinstance(hint, EventHint)]
        frames = {hint.seq: hint.frame for hint in heard if hint.conversation_id == self.g}
        live = [msgspec.json.decode(payload_of(frames[seq]), type=Event) for seq in sorted(frames)]
        page = self.run(
            self.place.reading.events(by(viewer), self.g, after_seq=0, before_seq=None, limit=500_000)
        )
        later = [msgspec.convert(msgspec.to_builtins(event), Event) for event in page.events]
        fresh = self.fetched(viewer)
        for events in (live, later):
            state = LocalState()
            for event in events:
                state.apply(event)
            assert state.conversations[self.g].messages == fresh

    def fetched(self, viewer: str) -> dict[int, Message]:
        """The messages as a client that knows nothing reads them."""
        shown = self.run(self.place.world.cases.listing.one(viewer, self.g))
        messages = msgspec.convert(msgspec.to_builtins(self.page(1).messages), list[Message])
        return ConversationState.of(_known(shown), (), messages).messages


def _known(shown: object) -> Conversation:
    return msgspec.convert(msgspec.to_builtins(shown), Conversation)


def test_reactions_follow_the_model(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        opened = desk(tmp_path)
        place = runner.run(opened.__aenter__())
        try:
            run_state_machine_as_test(
                cast("type[Reacting]", lambda: Reacting(runner, place)),
                settings=settings(max_examples=8, stateful_step_count=20, deadline=None),
            )
        finally:
            runner.run(opened.__aexit__(None, None, None))
