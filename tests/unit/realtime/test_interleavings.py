"""Random lives of several clients on one process: what each socket sees keeps G4 to G7.

Hints are lost, repeated and overtaken; the store goes away and comes back; people connect, resume, stay
silent, are removed and added again. Whatever happens, the union of what a socket got is the exact list from
its start.
"""

import asyncio
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from secureconnect.edge.realtime.session.chat import Session
from secureconnect.edge.realtime.settings import RealtimeSettings
from secureconnect.kit.hints import EventHint
from tests.unit.realtime.fakes import FakeSocket, Frame, uid
from tests.unit.realtime.world import World, hello

ROOMS = (uid(0xA), uid(0xB))
USERS = (1, 2, 3)


FATES = st.sampled_from(["told", "told", "told", "twice", "late", "lost"])


class Client:
    """One socket, and the memory of a client that follows docs/reference/realtime.md §11."""

    def __init__(self, user: int, socket: FakeSocket, session: Session, heads: dict[str, int]) -> None:
        self.user = user
        self.socket = socket
        self.session = session
        self.asked: dict[str, int] | None = None
        self.seen = 0
        #: The heads before this socket was accepted.
        self.heads = heads
        #: The last seq by room; only known once something said where this socket starts.
        self.at: dict[str, int] = {}
        #: Rooms whose start the answer to hello has set.
        self.answered: set[str] = set()
        self.lost: set[str] = set()
        self.reopened: set[str] = set()

    def look(self, world: World) -> None:
        """Judge the frames that came since the last look."""
        frames = self.socket.frames
        while self.seen < len(frames):
            frame = frames[self.seen]
            self.seen += 1
            getattr(self, f"on_{frame['type']}")(world, frame)

    def on_welcome(self, world: World, frame: Frame) -> None:
        assert self.seen == 1

    def on_ack(self, world: World, frame: Frame) -> None:
        assert self.asked is not None
        assert frame["resume"].keys() == self.asked.keys()
        assert self.seen == 2, "nothing comes before the answer to hello"
        for room, outcome in frame["resume"].items():
            if outcome["recovered"]:
                self.at[room] = self.asked[room]
            elif outcome["reason"] != "removed":
                assert outcome["last_seq"] <= len(world.store.conversations[room].events)
                self.at[room] = outcome["last_seq"]
            else:
                self.lost.add(room)
        self.answered = set(self.at)

    def on_error(self, world: World, frame: Frame) -> None:
        assert frame["code"] == "CONFLICT"

    def on_event(self, world: World, frame: Frame) -> None:
        room, seq = frame["conversation_id"], frame["seq"]
        kind, _, data = world.store.conversations[room].events[seq - 1]
        assert frame["kind"] == kind
        assert world.store.conversations[room].visible(seq, uid(self.user)), "G7: only while a member"
        assert room not in self.lost or room in self.reopened, "G7: nothing after the removal"
        subject = msgspec.json.decode(data).get("user_id")
        entry = room in self.reopened and (kind, subject) == ("member_added", uid(self.user))
        if room in self.at and not (entry and room in self.answered and seq > self.at[room]):
            assert seq == self.at[room] + 1, "G4, G5: ascending, consecutive, once"
        elif room in self.reopened:
            assert entry, "G7: from its own member_added on"
        else:
            assert seq <= self.heads[room] + 1, "G5: nothing between acceptance and hello is lost"
        self.at[room] = seq
        self.answered.discard(room)

    def on_conversation_added(self, world: World, frame: Frame) -> None:
        room = frame["conversation"]["conversation_id"]
        self.lost.discard(room)
        self.reopened.add(room)
        if room not in self.answered:
            self.at.pop(room, None)

    def on_conversation_removed(self, world: World, frame: Frame) -> None:
        room = frame["conversation_id"]
        if room in self.at:
            kind, _, data = world.store.conversations[room].events[self.at[room] - 1]
            assert kind == "member_removed"
            assert msgspec.json.decode(data)["user_id"] == uid(self.user)
        self.lost.add(room)
        self.reopened.discard(room)
        self.answered.discard(room)
        self.at.pop(room, None)


class Lives(RuleBasedStateMachine):
    """See the module."""

    @initialize(
        members=st.tuples(*(st.sets(st.sampled_from(USERS), min_size=1) for _ in ROOMS)),
        lag=st.integers(0, 3),
    )
    def start(self, members: tuple[set[int], ...], lag: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.world = World(
            settings=RealtimeSettings(max_sockets_per_user=1000, resume_max_events=12), held_frames=4
        )
        for room, inside in zip(ROOMS, members, strict=True):
            self.world.found(room, *inside)
        self.world.store.lag = lag
        self.hidden: list[EventHint] = []
        self.clients: list[Client] = []
        self.memory: dict[int, dict[str, int]] = {user: {} for user in USERS}

    def turn(self, times: int) -> None:
        async def turns() -> None:
            for _ in range(times):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turns())

    def run(self, work: Any) -> Any:
        async def wrapped() -> Any:
            return work() if not asyncio.iscoroutine(work) else await work

        return self.loop.run_until_complete(wrapped())

    async def tell(self, hint: EventHint, fate: str) -> None:
        if fate == "late":
            self.hidden.append(hint)
        elif fate != "lost":
            for _ in range(2 if fate == "twice" else 1):
                self.world.publish(hint)

    def moved(self, room: str, user: int) -> EventHint:
        inside = uid(user) in self.world.store.conversations[room].members
        return self.world.remove(room, user) if inside else self.world.add(room, user)

    @rule(room=st.sampled_from(ROOMS), fate=FATES, times=st.sampled_from([1, 1, 2, 3, 7, 14]))
    def say(self, room: str, fate: str, times: int) -> None:
        for _ in range(times):
            self.run(self.tell(self.world.append(room), fate))

    @rule(room=st.sampled_from(ROOMS), user=st.sampled_from(USERS), fate=FATES)
    def move(self, room: str, user: int, fate: str) -> None:
        self.run(self.tell(self.moved(room, user), fate))

    @precondition(lambda self: self.hidden)
    @rule(data=st.data())
    def tell_late(self, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(self.hidden) - 1))
        self.run(self.tell(self.hidden.pop(at), "told"))

    @rule(
        down=st.sampled_from(["up", "up", "events", "all"]),
        lag=st.integers(0, 4),
        events_lag=st.sampled_from([0, 0, 3, 15]),
    )
    def store(self, down: str, lag: int, events_lag: int) -> None:
        store = self.world.store
        store.down, store.events_down = down == "all", down == "events"
        store.lag, store.events_lag = lag, events_lag

    @rule(times=st.integers(1, 12))
    def let_run(self, times: int) -> None:
        self.turn(times)

    @precondition(lambda self: not self.world.store.down)
    @rule(
        user=st.sampled_from(USERS),
        before=st.integers(0, 6),
        meanwhile=st.lists(st.tuples(st.sampled_from(ROOMS), st.booleans(), FATES), max_size=3),
        listed=st.one_of(st.none(), st.sets(st.sampled_from(ROOMS))),
    )
    def connect(
        self,
        user: int,
        before: int,
        meanwhile: list[tuple[str, bool, str]],
        listed: set[str] | None,
    ) -> None:
        """A socket, with things happening while it is admitted; it may say hello at once."""

        async def admitted() -> Client:
            work = asyncio.create_task(self.world.connect(user))
            for _ in range(before):
                await asyncio.sleep(0)
            for room, moving, fate in meanwhile:
                await self.tell(self.moved(room, user) if moving else self.world.append(room), fate)
            conversations = self.world.store.conversations
            # Not the heads before: an upgrade is accepted at its end.
            socket, session = await work
            heads = {name: len(conversation.events) for name, conversation in conversations.items()}
            return Client(user, socket, session, heads)

        client = self.run(admitted())
        self.clients.append(client)
        if listed is not None:
            self.say_hello(client, listed)

    def say_hello(self, client: Client, listed: set[str]) -> None:
        known = self.memory[client.user]
        asked = {room: known.get(room, 1) for room in sorted(listed)}
        client.asked = asked if client.session.state == 0 else {}
        self.run(lambda: hello(client.session, asked))

    @precondition(lambda self: self.clients and not self.world.store.down)
    @rule(data=st.data(), meanwhile=st.integers(0, 3), fate=FATES, turns=st.integers(0, 8))
    def bounce(self, data: st.DataObject, meanwhile: int, fate: str, turns: int) -> None:
        """A connection is lost; the client comes back and says where it was."""
        client = data.draw(st.sampled_from(self.clients))
        self.run(lambda: client.socket.gone(1006))
        self.guarantees()
        for _ in range(meanwhile):
            for room in ROOMS:
                self.run(self.tell(self.world.append(room), fate))
        self.connect(client.user, 0, [], None)
        self.turn(turns)
        self.say_hello(self.clients[-1], set(client.at))

    def waiting(self) -> list[Client]:
        return [client for client in self.clients if client.asked is None and client.socket.open]

    @precondition(lambda self: self.waiting())
    @rule(data=st.data(), listed=st.sets(st.sampled_from(ROOMS)))
    def greet(self, data: st.DataObject, listed: set[str]) -> None:
        self.say_hello(data.draw(st.sampled_from(self.waiting())), listed)

    @rule()
    def silence(self) -> None:
        def pass_time() -> None:
            for client in self.clients:
                if client.session.state == 0:
                    client.asked = {}
            self.world.pass_time(1.1)

        self.run(pass_time)

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def disconnect(self, data: st.DataObject) -> None:
        client = data.draw(st.sampled_from(self.clients))
        self.run(lambda: client.socket.gone(1006))

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), ready=st.booleans())
    def peer_speed(self, data: st.DataObject, ready: bool) -> None:
        event = data.draw(st.sampled_from(self.clients)).socket.ready
        self.run(event.set if ready else event.clear)

    @precondition(lambda self: not (self.world.store.down or self.world.store.events_down))
    @rule()
    def repair(self) -> None:
        self.run(self.world.hub.repair())

    @invariant()
    def guarantees(self) -> None:
        for client in list(getattr(self, "clients", ())):
            client.look(self.world)
            if not client.socket.open:
                self.clients.remove(client)
                self.memory[client.user].update(client.at)

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        try:
            self.finish()
        finally:
            self.run(self.world.background.stop())
            self.loop.close()

    def finish(self) -> None:
        """Everything heals, and everybody has everything."""
        world = self.world
        world.store.down = world.store.events_down = False
        for client in self.clients:
            self.run(client.socket.ready.set)
        self.silence()
        for _ in range(2):
            self.run(world.settle())
            self.run(world.hub.repair())
        self.run(world.settle())
        for room in ROOMS:  # a last one shows where everybody stands
            self.run(lambda room=room: world.publish(world.append(room)))
        self.run(world.settle())
        self.guarantees()
        for client in self.clients:
            assert client.session.state == 3
            for room in ROOMS:
                conversation = world.store.conversations[room]
                if uid(client.user) in conversation.members:
                    assert client.at.get(room) == len(conversation.events), "G5: nothing is left out"
            self.run(lambda client=client: client.socket.gone(1000))
        self.run(world.settle())
        assert not world.hub.interest.users
        assert not world.hub.interest.lanes
        assert not world.bus.channels
        assert len(world.places) == 0


TestLives = Lives.TestCase
TestLives.settings = settings(
    max_examples=300,
    stateful_step_count=40,
    deadline=None,
    report_multiple_bugs=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
