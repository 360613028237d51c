"""A realtime edge with everything around it faked: store, bus, sockets, clock. Nothing sleeps."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from secureconnect.edge.realtime.background import Background
from secureconnect.edge.realtime.base import Refusal, UpgradeRequest
from secureconnect.edge.realtime.entrance import Entrance
from secureconnect.edge.realtime.fanout.hub import Hub
from secureconnect.edge.realtime.fanout.lane import Pace
from secureconnect.edge.realtime.gate import ChatGate
from secureconnect.edge.realtime.places import Places
from secureconnect.edge.realtime.session.chat import Session
from secureconnect.edge.realtime.session.commands import Command, Commands
from secureconnect.edge.realtime.session.host import SessionHost
from secureconnect.edge.realtime.settings import RealtimeSettings
from secureconnect.edge.realtime.signaling.rooms import Rooms
from secureconnect.edge.realtime.timers import Timers
from secureconnect.kit.hints import EventHint, conversation_channel, user_channel
from secureconnect.kit.principal import RequestContext
from tests.unit.realtime.fakes import (
    Auth,
    Conversation,
    Denied,
    FakeClock,
    FakeSocket,
    Limits,
    Metrics,
    Store,
    WatchedBus,
    uid,
)


class NoRoster:
    """Nobody is in a call."""

    async def places(self, call_id: str) -> dict[str, str]:
        return {}

    async def versions(self, call_ids: Collection[str]) -> dict[str, int]:
        return {}


class World:
    """One process."""

    def __init__(
        self,
        *,
        settings: RealtimeSettings | None = None,
        commands: list[Command] | None = None,
        limits_enabled: bool = True,
        store: Store | None = None,
        held_frames: int = 128,
    ) -> None:
        self.clock = FakeClock()
        self.timers = Timers(self.clock)
        self.background = Background()
        self.bus = WatchedBus()
        self.store = store or Store()
        self.metrics = Metrics()
        self.auth = Auth(self.clock)
        self.limits = Limits()
        self.denied = Denied()
        self.settings = settings or RealtimeSettings()
        self.places = Places(self.settings)
        self.hub = Hub(
            bus=self.bus,
            memberships=self.store,
            source=self.store,
            metrics=self.metrics,
            clock=self.clock,
            background=self.background,
            endings=self.auth,
            pace=Pace(reorder=0, retry_first=0, retry_most=0),
        )
        self.host = SessionHost(
            settings=self.settings,
            clock=self.clock,
            timers=self.timers,
            background=self.background,
            roster=self.hub,
            commands=Commands(commands or []),
            limits=self.limits,
            limits_enabled=limits_enabled,
            authenticator=self.auth,
            denials=self.denied,
            memberships=self.store,
            source=self.store,
            metrics=self.metrics,
            held_frames=held_frames,
            retry_first=0,
        )
        self.rooms = Rooms(self.bus, NoRoster())
        self.entrance = Entrance(
            authenticator=self.auth,
            tickets=self.auth,
            limits=self.limits,
            places=self.places,
            denials=self.denied,
            metrics=self.metrics,
            own_origin=lambda request: f"https://{request.headers['host']}",
            origin_allowed={"https://app.test"}.__contains__,
            context=lambda request: RequestContext(request_id="r", client_ip=request.peer),
            render=lambda request, error: Refusal(error.code.status, [], b""),
        )
        self.gate = ChatGate(host=self.host, hub=self.hub, memberships=self.store, entrance=self.entrance)

    # Truth

    def found(self, conversation_id: str, *members: int) -> str:
        """A conversation with its first event and members; nobody is told."""
        conversation = self.store.conversations[conversation_id] = Conversation()
        ids = [uid(number) for number in members]
        data = msgspec.json.encode({"conversation": {}, "members": ids})
        conversation.events.append(("conversation_created", ids[0] if ids else None, data))
        conversation.members.update(dict.fromkeys(ids, 1))
        return conversation_id

    def append(
        self, conversation_id: str, actor: int | None = None, kind: str = "message_created"
    ) -> EventHint:
        """Commit one event; the hint is not published."""
        events = self.store.conversations[conversation_id].events
        events.append((kind, None if actor is None else uid(actor), b'{"live":true}'))
        return self.hint(conversation_id, len(events))

    def add(self, conversation_id: str, user: int) -> EventHint:
        conversation = self.store.conversations[conversation_id]
        data = msgspec.json.encode({"user_id": uid(user), "via": "added"})
        conversation.events.append(("member_added", None, data))
        conversation.members[uid(user)] = len(conversation.events)
        return self.hint(conversation_id, len(conversation.events), subject=uid(user))

    def remove(self, conversation_id: str, user: int, *, left: bool = False) -> EventHint:
        conversation = self.store.conversations[conversation_id]
        data = msgspec.json.encode({"user_id": uid(user), "reason": "left" if left else "removed"})
        conversation.events.append(("member_removed", uid(user) if left else None, data))
        del conversation.members[uid(user)]
        return self.hint(conversation_id, len(conversation.events), subject=uid(user))

    def hint(self, conversation_id: str, seq: int, subject: str | None = None) -> EventHint:
        kind, actor, _ = self.store.conversations[conversation_id].events[seq - 1]
        return EventHint(
            conversation_id=conversation_id,
            seq=seq,
            kind=kind,
            actor_id=actor,
            subject_id=subject,
            frame=self.store.frame(conversation_id, seq),
            sender_frame=None,
            committed_at=self.clock.now() / 1000,
        )

    def publish(self, hint: EventHint) -> None:
        self.bus.publish(conversation_channel(hint.conversation_id), hint)
        if hint.kind == "member_added" and hint.subject_id is not None:
            self.bus.publish(user_channel(hint.subject_id), hint)
        elif hint.kind == "conversation_created":
            for user_id in self.store.conversations[hint.conversation_id].members:
                self.bus.publish(user_channel(user_id), hint)

    def say(self, conversation_id: str, actor: int | None = None, times: int = 1) -> None:
        """Messages with their hints."""
        for _ in range(times):
            self.publish(self.append(conversation_id, actor))

    # Clients

    def request(self, query: str = "", *, path: str = "/v1/ws/chat", **headers: str) -> UpgradeRequest:
        return UpgradeRequest(
            method="GET",
            path=path,
            query=query.encode(),
            headers={
                "host": "chat.test",
                **{name.replace("_", "-"): value for name, value in headers.items()},
            },
            peer="127.0.0.1",
            secure=True,
        )

    async def connect(self, user: int, query: str = "") -> tuple[FakeSocket, Session]:
        """A socket that has not said hello yet."""
        return await self.accept(self.request(query, authorization=f"Bearer {user}"))

    async def accept(self, request: UpgradeRequest) -> tuple[FakeSocket, Session]:
        admission = await self.gate.admit(request)
        socket = FakeSocket()
        session = admission.opened(socket)
        assert isinstance(session, Session)
        socket.receiver = session
        return socket, session

    async def live(
        self, user: int, resume: Mapping[str, int] | None = None, query: str = ""
    ) -> tuple[FakeSocket, Session]:
        """A socket that is live."""
        socket, session = await self.connect(user, query)
        hello(session, resume)
        await self.settle()
        return socket, session

    async def settle(self) -> None:
        """Until nothing runs any more."""
        await self.until(lambda: not len(self.background))

    async def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(20_000):
            if condition():
                break
            await asyncio.sleep(0)
        else:
            raise AssertionError("never became true")
        for _ in range(3):
            await asyncio.sleep(0)

    def pass_time(self, seconds: float) -> None:
        self.clock.seconds += seconds
        self.timers.poll()


def send(session: Session, **fields: Any) -> None:
    """One command from the client."""
    session.text(msgspec.json.encode(fields))


def hello(session: Session, resume: Mapping[str, int] | None = None, ref: str = "h") -> None:
    send(session, type="hello", ref=ref, resume=dict(resume or {}))
