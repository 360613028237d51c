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
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from secureconnect.edge.realtime.session import Session
from secureconnect.edge.realtime.settings import RealtimeSettings
from secureconnect.kit.hints import EventHint
from tests.unit.realtime.world import FakeSocket, Frame, World, hello, uid

ROOMS = (uid(0xA), uid(0xB))
USERS = (1, 2, 3)


class Client:
    """One socket, and the memory of a client that follows the contract (§11)."""

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

    @initialize(members=st.tuples(*(st.sets(st.sampled_from(USERS), min_size=1) for _ in ROOMS)))
    def start(self, members: tuple[set[int], ...]) -> None:
        self.loop = asyncio.new_event_loop()
        self.world = World(
            settings=RealtimeSettings(max_sockets_per_user=1000, resume_max_events=12), held_frames=4
        )
        for room, inside in zip(ROOMS, members, strict=True):
            self.world.found(room, *inside)
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

    def publish(self, hint: EventHint, fate: str) -> None:
        if fate == "late":
            self.hidden.append(hint)
        elif fate != "lost":
            for _ in range(2 if fate == "twice" else 1):
                self.run(lambda: self.world.publish(hint))

    FATES = st.sampled_from(["told", "told", "told", "twice", "late", "lost"])

    @rule(room=st.sampled_from(ROOMS), fate=FATES, times=st.integers(1, 7))
    def say(self, room: str, fate: str, times: int) -> None:
        for _ in range(times):
            self.publish(self.world.append(room), fate)

    @rule(room=st.sampled_from(ROOMS), user=st.sampled_from(USERS), fate=FATES)
    def move(self, room: str, user: int, fate: str) -> None:
        inside = uid(user) in self.world.store.conversations[room].members
        hint = self.world.remove(room, user) if inside else self.world.add(room, user)
        self.publish(hint, fate)

    @rule(data=st.data())
    def tell_late(self, data: st.DataObject) -> None:
        if self.hidden:
            at = data.draw(st.integers(0, len(self.hidden) - 1))
            self.publish(self.hidden.pop(at), "told")

    @rule(down=st.booleans(), lag=st.integers(0, 4))
    def store(self, down: bool, lag: int) -> None:
        self.world.store.down = down
        self.world.store.lag = lag

    @rule(times=st.integers(1, 12))
    def let_run(self, times: int) -> None:
        self.turn(times)

    @rule(user=st.sampled_from(USERS), meanwhile=st.booleans(), room=st.sampled_from(ROOMS))
    def connect(self, user: int, meanwhile: bool, room: str) -> None:
        """A socket, with something happening while it is admitted."""
        if self.world.store.down:
            return

        async def admitted() -> Client:
            work = asyncio.create_task(self.world.connect(user))
            await asyncio.sleep(0)
            if meanwhile:
                await asyncio.sleep(0)
                if uid(user) in self.world.store.conversations[room].members:
                    self.world.publish(self.world.remove(room, user))
                else:
                    self.world.publish(self.world.add(room, user))
                self.world.publish(self.world.append(room))
            conversations = self.world.store.conversations
            # Not the heads before: an upgrade is accepted at its end.
            socket, session = await work
            heads = {name: len(conversation.events) for name, conversation in conversations.items()}
            return Client(user, socket, session, heads)

        self.clients.append(self.run(admitted()))

    @rule(data=st.data(), listed=st.sets(st.sampled_from(ROOMS)))
    def greet(self, data: st.DataObject, listed: set[str]) -> None:
        waiting = [client for client in self.clients if client.asked is None and client.socket.open]
        if waiting:
            client = data.draw(st.sampled_from(waiting))
            known = self.memory[client.user]
            asked = {room: known.get(room, 1) for room in sorted(listed)}
            client.asked = asked if client.session.state == 0 else {}
            self.run(lambda: hello(client.session, asked))

    @rule()
    def silence(self) -> None:
        def pass_time() -> None:
            for client in self.clients:
                if client.session.state == 0:
                    client.asked = {}
            self.world.pass_time(1.1)

        self.run(pass_time)

    @rule(data=st.data())
    def disconnect(self, data: st.DataObject) -> None:
        if self.clients:
            client = data.draw(st.sampled_from(self.clients))
            self.run(lambda: client.socket.gone(1006))

    @rule(data=st.data(), ready=st.booleans())
    def peer_speed(self, data: st.DataObject, ready: bool) -> None:
        if self.clients:
            event = data.draw(st.sampled_from(self.clients)).socket.ready
            self.run(event.set if ready else event.clear)

    @rule()
    def repair(self) -> None:
        if not self.world.store.down:
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
        world.store.down = False
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
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    report_multiple_bugs=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
