"""A realtime edge with everything around it faked: store, bus, sockets, clock. Nothing sleeps."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from secureconnect.edge.realtime.background import Background
from secureconnect.edge.realtime.base import EventFrame, Receiver, Refusal, Standing, UpgradeRequest
from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.fanout.hub import Hub
from secureconnect.edge.realtime.fanout.lane import Pace
from secureconnect.edge.realtime.frames import event_frame, json_frame, payload_of
from secureconnect.edge.realtime.gate import ChatGate
from secureconnect.edge.realtime.places import Places
from secureconnect.edge.realtime.session.chat import Session
from secureconnect.edge.realtime.session.commands import Command, Commands
from secureconnect.edge.realtime.session.host import SessionHost
from secureconnect.edge.realtime.settings import RealtimeSettings
from secureconnect.edge.realtime.timers import Timers
from secureconnect.infra.bus.base import Handler, Unsubscribe
from secureconnect.infra.bus.memory import MemoryBus
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.hints import EventHint, conversation_channel, user_channel
from secureconnect.kit.principal import Principal, RequestContext

START = 1_800_000_000_000

Frame = dict[str, Any]


def uid(number: int) -> str:
    """A readable UUID."""
    return f"{number:08x}-0000-4000-8000-000000000000"


class FakeClock:
    """Time that moves when told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> int:
        return START + int((self.seconds - 1000) * 1000)

    def monotonic(self) -> float:
        return self.seconds


class FakeSocket:
    """Collects what is sent. `ready` cleared means that the peer does not keep up with a replay."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.ephemeral: list[Frame] = []
        self.closing: tuple[CloseCode, int | None] | None = None
        self.receiver: Receiver | None = None
        self.reading = True
        self.ready = asyncio.Event()
        self.ready.set()
        self.waits = 0

    def send(self, frame: bytes, *, ephemeral: bool = False) -> None:
        if self.closing is None:
            decoded = msgspec.json.decode(payload_of(frame))
            self.frames.append(decoded)
            if ephemeral:
                self.ephemeral.append(decoded)

    def close(self, code: CloseCode, *, retry_after_ms: int | None = None) -> None:
        if self.closing is None:
            self.closing = (code, retry_after_ms)
            self.ready.set()
            asyncio.get_running_loop().call_soon(self.gone, code)

    async def drained(self) -> None:
        self.waits += 1
        await self.ready.wait()

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    @property
    def open(self) -> bool:
        return self.closing is None

    def gone(self, code: int) -> None:
        """The connection is lost."""
        if self.closing is None:
            self.closing = (CloseCode.NORMAL, None)
            self.ready.set()
        receiver, self.receiver = self.receiver, None
        if receiver is not None:
            receiver.closed(code)

    def types(self) -> list[str]:
        return [frame["type"] for frame in self.frames]

    def events(self, conversation_id: str | None = None) -> list[int]:
        return [
            frame["seq"]
            for frame in self.frames
            if frame["type"] == "event" and conversation_id in {None, frame["conversation_id"]}
        ]

    def last(self, type_: str) -> Frame:
        return [frame for frame in self.frames if frame["type"] == type_][-1]


class WatchedBus(MemoryBus):
    """Knows its channels."""

    def __init__(self) -> None:
        super().__init__()
        self.channels: list[str] = []

    async def subscribe(self, channel: str, handler: Handler) -> Unsubscribe:
        unsubscribe = await super().subscribe(channel, handler)
        self.channels.append(channel)

        def done() -> None:
            self.channels.remove(channel)
            unsubscribe()

        return done


class Conversation:
    """One conversation as the store knows it. `members` maps to the first visible seq."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str | None, bytes]] = []  # kind, actor, data
        self.members: dict[str, int] = {}

    def visible(self, seq: int, user_id: str) -> bool:
        """Whether the user was a member at `seq`, its own coming and going included."""
        inside = False
        for at, (kind, _, data) in enumerate(self.events[:seq], 1):
            about = msgspec.json.decode(data)
            if kind == "conversation_created":
                inside = user_id in about["members"]
            elif kind in {"member_added", "member_removed"} and about["user_id"] == user_id:
                inside = kind == "member_added"
                if at == seq:
                    return True
        return inside


class Store:
    """Memberships and events, as the edge's ports. `down` makes reads fail, `lag` makes them take turns."""

    def __init__(self) -> None:
        self.conversations: dict[str, Conversation] = {}
        self.down = False
        self.lag = 0
        #: The same for events alone.
        self.events_down = False
        self.events_lag = 0
        self.reads = 0
        self.holes: set[tuple[str, int]] = set()

    async def standings(self, user_id: str) -> Mapping[str, Standing]:
        await self._turn()
        result = {
            conversation_id: Standing(conversation.members[user_id], len(conversation.events))
            for conversation_id, conversation in self.conversations.items()
            if user_id in conversation.members
        }
        await self._turn()  # answers are old when they arrive
        return result

    async def standing(self, user_id: str, conversation_id: str) -> Standing | None:
        return (await self.standings(user_id)).get(conversation_id)

    async def added_frame(self, user_id: str, conversation_id: str) -> bytes | None:
        await self._turn()
        conversation = self.conversations.get(conversation_id)
        known = conversation is not None and user_id in conversation.members
        await self._turn()
        if not known:
            return None
        return json_frame(
            {"type": "conversation_added", "conversation": {"conversation_id": conversation_id}}
        )

    async def frames(
        self, user_id: str, conversation_id: str, *, after_seq: int, upto_seq: int, limit: int
    ) -> list[EventFrame]:
        self.reads += 1
        for _ in range(self.events_lag):
            await asyncio.sleep(0)
        await self._turn()
        if self.events_down:
            raise ApiError(ErrorCode.TIMELINE_UNAVAILABLE)
        conversation = self.conversations.get(conversation_id, Conversation())
        upto = min(len(conversation.events), upto_seq, after_seq + limit)
        result = [
            EventFrame(seq, self.frame(conversation_id, seq, read_for=user_id))
            for seq in range(after_seq + 1, upto + 1)
            if (conversation_id, seq) not in self.holes
        ]
        await self._turn()
        return result

    def frame(self, conversation_id: str, seq: int, read_for: str | None = None) -> bytes:
        kind, actor, data = self.conversations[conversation_id].events[seq - 1]
        if read_for is not None and kind == "message_created":
            data = msgspec.json.encode({"read_for": read_for})
        return event_frame(conversation_id, seq, uid(seq), kind, actor, START + seq, msgspec.Raw(data))

    async def require(self, user_id: str, conversation_id: str) -> None:
        conversation = self.conversations.get(conversation_id)
        if conversation is None:
            raise ApiError(ErrorCode.NOT_FOUND)
        if user_id not in conversation.members:
            raise ApiError(ErrorCode.FORBIDDEN)

    async def _turn(self) -> None:
        for _ in range(self.lag):
            await asyncio.sleep(0)
        if self.down:
            raise ApiError(ErrorCode.TIMELINE_UNAVAILABLE)


class Metrics:
    """Remembers everything."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def opened(self, kind: str) -> None:
        self.seen.append(("opened", kind))

    def closed(self, kind: str, code: int) -> None:
        self.seen.append(("closed", kind, code))

    def refused(self, kind: str, result: str) -> None:
        self.seen.append(("refused", kind, result))

    def command(self, type_: str, *, ok: bool) -> None:
        self.seen.append(("command", type_, ok))

    def resumed(self, *, recovered: bool) -> None:
        self.seen.append(("resumed", recovered))

    def overflow(self) -> None:
        self.seen.append(("overflow",))

    def delivered(self, seconds: float) -> None:
        self.seen.append(("delivered", seconds))

    def messages(self, kind: str, direction: Literal["in", "out"], count: int) -> None:
        pass


class Auth:
    """Tokens are user numbers; a ticket `t<n>` works once."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.lifetime_ms = 900_000
        self.principals: dict[str, Principal] = {}
        self.tickets: dict[str, tuple[int, str | None]] = {}

    async def authenticate(self, token: str) -> Principal:
        if token in self.principals:
            return self.principals[token]
        if not token.isdigit():
            raise ApiError(ErrorCode.UNAUTHORIZED)
        return self.principal(int(token))

    async def redeem(self, ticket: str, purpose: str, conversation_id: str | None) -> Principal:
        number, bound = self.tickets.pop(ticket, (0, None))
        if not number or purpose != "chat" or bound != conversation_id:
            raise ApiError(ErrorCode.UNAUTHORIZED)
        return self.principal(number)

    async def require_admin(self, principal: Principal) -> None:
        raise ApiError(ErrorCode.FORBIDDEN)

    async def require_fresh(self, principal: Principal) -> None:
        raise ApiError(ErrorCode.REAUTH_REQUIRED)

    def principal(self, number: int, session: int = 1, **changes: Any) -> Principal:
        principal = Principal(
            user_id=uid(number),
            session_id=uid(number * 100 + session),
            jti=uid(9),
            role="user",
            expires_at=self.clock.now() + self.lifetime_ms,
        )
        return msgspec.structs.replace(principal, **changes)


class Limits:
    """Lets everything through until a row is named in `full`."""

    def __init__(self) -> None:
        self.full: set[str] = set()
        self.hits: list[tuple[str | None, str, bool]] = []

    async def check(self, row: str | None, key: str, *, write: bool) -> None:
        self.hits.append((row, key, write))
        if row in self.full:
            raise ApiError(ErrorCode.RATE_LIMIT_EXCEEDED, retry_after=7)


class Denied:
    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def denied(self, principal: Principal, context: RequestContext, action: str, error: ApiError) -> None:
        self.seen.append((action, error.code.name))


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
        self.gate = ChatGate(
            host=self.host,
            hub=self.hub,
            places=self.places,
            authenticator=self.auth,
            tickets=self.auth,
            limits=self.limits,
            memberships=self.store,
            own_origin=lambda request: f"https://{request.headers['host']}",
            origin_allowed={"https://app.test"}.__contains__,
            context=lambda request: RequestContext(request_id="r", client_ip=request.peer),
            render=lambda request, error: Refusal(error.code.status, [], b""),
        )

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
