"""A LiveKit server, by its RoomService API (Twirp: JSON over POST)."""

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

import httpx
import msgspec

from secureconnect.infra.resilience.guard import Guard, Unavailable
from secureconnect.infra.sfu.base import SfuEvent, SfuParticipant, SfuPass, SfuUnavailable
from secureconnect.infra.sfu.livekit_tokens import LiveKitKey
from secureconnect.kit.clock import Clock

__all__ = ["TIMEOUT", "LiveKit", "SfuMetrics", "ails"]

#: Seconds that one request may take, its connection included.
TIMEOUT = 5.0

# How long LiveKit keeps a room that nobody entered, and one that everybody left: rooms end with their calls,
# this is for those whose end could not be told.
_EMPTY = 600
_DEPARTED = 60
_NOBODYS_ROOM = "-"

T = TypeVar("T")


class SfuMetrics(Protocol):
    """What is counted."""

    def sfu_request(self, operation: str, *, ok: bool) -> None: ...


class _Participant(msgspec.Struct):
    """What we read of a participant; 64-bit integers come as text."""

    identity: str = ""
    state: str = ""
    joined_at: int | str = 0


class _Participants(msgspec.Struct):
    participants: list[_Participant] = []


class _Room(msgspec.Struct):
    name: str = ""


class _Rooms(msgspec.Struct):
    rooms: list[_Room] = []


class _Fault(msgspec.Struct):
    code: str = ""


class _Nothing(msgspec.Struct):
    """An answer that we do not read."""


class LiveKit:
    """Implements `Sfu`.

    Args:
        url: `ws(s)` or `http(s)`; clients get it with `ws(s)`.
        ttl: seconds within which a pass has to be used.
    """

    configured = True

    def __init__(
        self,
        url: str,
        key: LiveKitKey,
        *,
        max_participants: int,
        ttl: int,
        guard: Guard,
        metrics: SfuMetrics,
        clock: Clock,
    ) -> None:
        scheme, _, rest = url.rstrip("/").partition("://")
        secure = scheme in ("wss", "https")
        self._clients_url = f"{'wss' if secure else 'ws'}://{rest}"
        self._service = f"{'https' if secure else 'http'}://{rest}/twirp/livekit.RoomService"
        self._key = key
        self._max = max_participants
        self._ttl = ttl
        self._guard = guard
        self._metrics = metrics
        self._clock = clock
        self._http: httpx.AsyncClient | None = None

    @property
    def max_participants(self) -> int:
        return self._max

    async def open_room(self, room: str, *, max_participants: int) -> None:
        wish = {
            "name": room,
            "max_participants": max_participants,
            "empty_timeout": _EMPTY,
            "departure_timeout": _DEPARTED,
        }
        await self._ask("open_room", "CreateRoom", room, wish, _Nothing)

    async def rooms(self) -> Sequence[str]:
        found = await self._ask("rooms", "ListRooms", "", {}, _Rooms)
        return tuple(one.name for one in (found.rooms if found else ()))

    def admit(self, room: str, user_id: str, *, now: int) -> SfuPass:
        return SfuPass(self._clients_url, self._key.entry(room, user_id, now=now, ttl=self._ttl), self._ttl)

    async def participants(self, room: str) -> Sequence[SfuParticipant]:
        found = await self._ask("participants", "ListParticipants", room, {"room": room}, _Participants)
        return tuple(
            SfuParticipant(one.identity, int(one.joined_at) * 1000)
            for one in (found.participants if found else ())
            if one.state != "DISCONNECTED"
        )

    async def remove(self, room: str, user_id: str) -> None:
        wish = {"room": room, "identity": user_id}
        await self._ask("remove", "RemoveParticipant", room, wish, _Nothing)

    async def close_room(self, room: str) -> None:
        await self._ask("close_room", "DeleteRoom", room, {"room": room}, _Nothing)

    def read_webhook(self, body: bytes, authorization: str, *, now: int) -> SfuEvent:
        return self._key.read(body, authorization, now=now)

    async def ping(self) -> float | None:
        started = time.perf_counter()
        await self._ask("ping", "ListRooms", "", {"names": [_NOBODYS_ROOM]}, _Nothing)
        return time.perf_counter() - started

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()

    async def _ask(
        self, operation: str, method: str, room: str, wish: Mapping[str, Any], answer: type[T]
    ) -> T | None:
        """The answer, None when LiveKit says that what it was asked about is not there."""
        try:
            found = await self._guard.call(lambda: self._once(method, room, wish, answer))
        except (SfuUnavailable, httpx.TransportError, Unavailable) as error:
            self._metrics.sfu_request(operation, ok=False)
            if isinstance(error, SfuUnavailable):
                raise
            raise SfuUnavailable(
                error.reason if isinstance(error, Unavailable) else type(error).__name__
            ) from error
        self._metrics.sfu_request(operation, ok=True)
        return found

    async def _once(self, method: str, room: str, wish: Mapping[str, Any], answer: type[T]) -> T | None:
        token = self._key.administration(room, now=self._clock.now())
        client = await self._client()
        response = await client.post(
            f"{self._service}/{method}",
            content=msgspec.json.encode(wish),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        try:
            if response.status_code == 200:
                return msgspec.json.decode(response.content, type=answer)
            if msgspec.json.decode(response.content, type=_Fault).code == "not_found":
                return None
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass  # something else listens there, or stands in between
        raise SfuUnavailable(f"the server answered {response.status_code}")

    async def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            # Reading the system's authorities takes a while, in which nothing else would happen here.
            secure = self._service.startswith("https:")
            trusted = await asyncio.to_thread(ssl.create_default_context) if secure else False
            if self._http is None:
                self._http = httpx.AsyncClient(timeout=TIMEOUT, trust_env=False, verify=trusted)
        return self._http


def ails(error: Exception) -> bool:
    """For the breaker: whatever is no answer of a LiveKit that takes our key."""
    return isinstance(error, (SfuUnavailable, httpx.TransportError))
