"""The Timeline against a plain model: random histories, one answer (hypothesis)."""

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from secureconnect.infra.database.base import BatchDatabase, WriteTx
from secureconnect.infra.timeline.base import AlreadySent, Appended, GuardChanged, NewEvent, StoredEvent
from secureconnect.kit.ids import new_id

from .database_worlds import DATABASES, OpenDatabase, StartServer
from .timeline_adapters import TIMELINES, StartCassandra
from .timeline_world import Log, World, change, send

T = TypeVar("T")

_SENDERS = [new_id() for _ in range(3)]
_senders = st.sampled_from(_SENDERS)
_client_ids = st.sampled_from([None, "a", "b", "c"])
_guards = st.sampled_from([0, 0, 0, -1])  # offset to the right one


@pytest.mark.parametrize("timeline_name", sorted(TIMELINES))
@pytest.mark.parametrize("database_name", sorted(DATABASES))
def test_timeline_follows_the_model(
    database_name: str,
    timeline_name: str,
    tmp_path: Path,
    postgres_server: StartServer,
    cassandra_server: StartCassandra,
) -> None:
    place = DATABASES[database_name](tmp_path, postgres_server)
    with place as open_database, asyncio.Runner() as runner:
        database = runner.run(opened(open_database))
        world = World(database)
        opening = TIMELINES[timeline_name](database, world.listen, cassandra_server)
        world.database, world.timeline = runner.run(entered(opening))
        try:
            run_state_machine_as_test(
                cast("type[History]", lambda: History(runner, world)),
                settings=settings(max_examples=25, stateful_step_count=30, deadline=None),
            )
        finally:
            runner.run(left(opening))
            runner.run(database.close())


async def entered(opening: AbstractAsyncContextManager[T]) -> T:
    return await opening.__aenter__()


async def left(opening: AbstractAsyncContextManager[Any]) -> None:
    await opening.__aexit__(None, None, None)


async def opened(open_database: OpenDatabase) -> BatchDatabase:
    return await open_database()


class History(RuleBasedStateMachine):
    """One random history in conversations of its own."""

    conversations = Bundle("conversations")

    def __init__(self, runner: asyncio.Runner, world: World) -> None:
        super().__init__()
        self.runner = runner
        self.world = world
        self.logs: dict[str, Log] = {}
        self.expected: list[StoredEvent] = []
        world.heard.clear()

    @initialize(target=conversations)
    def first(self) -> str:
        return self.opened()

    @rule(target=conversations)
    def open(self) -> str:
        return self.opened()

    def opened(self) -> str:
        conversation = self.runner.run(self.world.open())
        self.logs[conversation] = Log()
        return conversation

    @rule(conversation=conversations, sender=_senders, client_id=_client_ids, offset=_guards)
    def send(self, conversation: str, sender: str, client_id: str | None, offset: int) -> None:
        self.group([(conversation, sender, client_id, offset)])

    @rule(sends=st.lists(st.tuples(conversations, _senders, _client_ids, _guards), min_size=2, max_size=12))
    def group(self, sends: list[tuple[str, str, str | None, int]]) -> None:
        """Appends that wait together are committed in the order in which they were asked for."""
        events = [
            send(c, sender_id=s, client_message_id=i, content=str(n)) for n, (c, s, i, _) in enumerate(sends)
        ]
        guards = [
            self.logs[event.conversation_id].guard + sent[3]
            for event, sent in zip(events, sends, strict=True)
        ]

        async def together() -> list[Any]:
            calls = (self.world.timeline.append(e, guard=g) for e, g in zip(events, guards, strict=True))
            return await asyncio.gather(*calls, return_exceptions=True)

        results = self.runner.run(together())
        for event, guard, result in zip(events, guards, results, strict=True):
            expected = self.logs[event.conversation_id].send(event, guard)
            if expected is None:
                assert isinstance(result, GuardChanged)
            else:
                assert result == expected
                self.note(expected)

    def note(self, appended: Appended) -> None:
        if not appended.duplicate:
            self.expected.append(appended.event)

    @rule(conversation=conversations)
    def raise_guard(self, conversation: str) -> None:
        self.runner.run(self.world.raise_guard(conversation))
        self.logs[conversation].guard += 1

    @rule(
        conversation=conversations,
        other=conversations,
        sender=_senders,
        client_id=_client_ids,
        gives_up=st.booleans(),
    )
    def transaction(
        self, conversation: str, other: str, sender: str, client_id: str | None, gives_up: bool
    ) -> None:
        events = [
            change(conversation),
            send(other, sender_id=sender, client_message_id=client_id),
            change(other),
        ]

        def work(tx: WriteTx) -> list[int]:
            self.world.timeline.raise_guard_in(tx, conversation)
            seqs = [self.world.timeline.append_in(tx, event) for event in events]
            if gives_up:
                raise KeyError("gives up")
            return seqs

        repeat = self.logs[other].first(events[1])
        try:
            seqs = self.runner.run(self.world.database.write(work))
        except AlreadySent as error:
            place = error.seq
            assert repeat is not None
            assert place == repeat.seq
        except KeyError:
            assert gives_up
            assert repeat is None
        else:
            assert repeat is None
            assert not gives_up
            self.logs[conversation].guard += 1
            assert seqs == [self.store(event) for event in events]

    def store(self, event: NewEvent) -> int:
        stored = self.logs[event.conversation_id].append(event)
        self.expected.append(stored)
        return stored.seq

    @rule(
        conversation=conversations,
        after=st.integers(0, 12),
        before=st.integers(1, 14),
        limit=st.integers(1, 6),
    )
    def read_ranges(self, conversation: str, after: int, before: int, limit: int) -> None:
        log = self.logs[conversation]
        timeline = self.world.timeline
        run = self.runner.run
        inside = [event for event in log.events if after < event.seq < before]
        bounded = timeline.events(conversation, after_seq=after, before_seq=before, limit=limit)
        assert run(bounded) == inside[:limit]
        below = [event for event in log.events if event.seq < before]
        assert run(timeline.events(conversation, before_seq=before, limit=limit)) == below[-limit:]
        page = [message for message in log.messages if after + 1 <= message.seq < before][::-1]
        assert (
            run(timeline.messages(conversation, from_seq=after + 1, before_seq=before, limit=limit))
            == page[:limit]
        )

    @rule(user=_senders, mark=st.integers(0, 5), cap=st.integers(1, 4))
    def read_overviews(self, user: str, mark: int, cap: int) -> None:
        marks = dict.fromkeys(self.logs, mark)
        unread = {
            conversation: min(
                cap, sum(message.seq > mark and message.sender_id != user for message in log.messages)
            )
            for conversation, log in self.logs.items()
        }
        assert self.runner.run(self.world.timeline.unread(user, marks, cap=cap)) == unread
        last = {
            conversation: log.messages[-1]
            for conversation, log in self.logs.items()
            if log.messages and log.messages[-1].seq >= mark
        }
        assert self.runner.run(self.world.timeline.last_messages(marks)) == last

    @invariant()
    def heads_agree(self) -> None:
        heads = self.runner.run(self.world.timeline.heads(self.logs))
        assert {key: (head.last_seq, head.guard) for key, head in heads.items()} == {
            key: (len(log.events), log.guard) for key, log in self.logs.items()
        }

    @invariant()
    def listener_heard_every_event_once_in_order(self) -> None:
        """The order of each log; logs have none among each other."""
        assert by_log(self.world.heard) == by_log(self.expected)

    def teardown(self) -> None:
        for conversation, log in self.logs.items():
            assert self.runner.run(self.world.log(conversation)) == log.events


def by_log(events: list[StoredEvent]) -> dict[str, list[StoredEvent]]:
    logs: dict[str, list[StoredEvent]] = {}
    for event in events:
        logs.setdefault(event.conversation_id, []).append(event)
    return logs
