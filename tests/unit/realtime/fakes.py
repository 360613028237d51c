"""What stands around a realtime edge in tests: store, bus, sockets, clock. Nothing sleeps."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any, Literal

import msgspec

from secureconnect.edge.realtime.base import EventFrame, Receiver, Standing
from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.frames import event_frame, json_frame, payload_of
from secureconnect.infra.bus.base import Doubt, Handler, Unsubscribe
from secureconnect.infra.bus.memory import MemoryBus
from secureconnect.kit.errors import ApiError, ErrorCode
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
        self.doubts: list[Doubt] = []

    def on_doubt(self, doubt: Doubt) -> None:
        self.doubts.append(doubt)

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

    async def counts(self, user_ids: Collection[str]) -> Mapping[str, int]:
        await self._turn()
        counted = {
            user_id: sum(user_id in each.members for each in self.conversations.values())
            for user_id in user_ids
        }
        await self._turn()
        return {user_id: count for user_id, count in counted.items() if count}

    async def heads(self, conversation_ids: Collection[str]) -> Mapping[str, int]:
        await self._turn()
        return {
            key: len(self.conversations[key].events) for key in conversation_ids if key in self.conversations
        }

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

    def caught_up(self, events: int) -> None:
        self.seen.append(("caught up", events))

    def messages(self, kind: str, direction: Literal["in", "out"], count: int) -> None:
        pass


class Auth:
    """Tokens are user numbers; a ticket `t<n>` works once."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.lifetime_ms = 900_000
        self.principals: dict[str, Principal] = {}
        self.tickets: dict[str, tuple[int, str | None]] = {}
        #: Session id → close code of sessions that ended, which nobody was told.
        self.ended: dict[str, int] = {}

    async def ended_among(self, principals: Collection[Principal]) -> dict[str, int]:
        ids = {principal.session_id for principal in principals}
        return {session_id: close for session_id, close in self.ended.items() if session_id in ids}

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
