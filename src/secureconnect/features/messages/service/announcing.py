"""Commit first, tell second: every committed event becomes one hint on the bus, in commit order."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Protocol

import msgspec

from secureconnect.features.conversations.api import Horizons
from secureconnect.features.messages.service.rendering import (
    Names,
    SenderNames,
    render_frame,
    sender_frame,
)
from secureconnect.infra.bus.base import Bus
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.infra.timeline.base import MESSAGE_KINDS, StoredEvent
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError
from secureconnect.kit.events import MessageEdited
from secureconnect.kit.hints import EventHint, conversation_channel, user_channel

__all__ = ["Announcer", "CommitMetrics"]

log = get_logger()

_RETRY_FIRST = 0.1
_RETRY_MOST = 2.0


class CommitMetrics(Protocol):
    """Counts what was committed. Called on the event loop for each event."""

    def event(self, kind: str, message_type: str | None) -> None:
        """One event; `message_type` is given for messages."""


class _Founding(msgspec.Struct):
    members: list[str]


class _Membership(msgspec.Struct):
    user_id: str


# Kinds whose data holds a message, and in it the client_message_id for its sender, who is the actor.
_SAY_MESSAGE = frozenset({"message_created", "message_edited"})

_founding = msgspec.json.Decoder(_Founding)
_membership = msgspec.json.Decoder(_Membership)


class Announcer:
    """The commit listener of the timeline.

    Every event goes to `conv:<id>`. Who is added hears of it on `user:<id>` too, since nobody listens for
    this user on the conversation's channel yet. Each event is encoded once; its sender gets a variant when it
    has a `client_message_id` to see again. What shows a message that some members may not see (a quote, an
    edit) is marked as personal.
    """

    def __init__(
        self, bus: Bus, names: SenderNames, horizons: Horizons, clock: Clock, metrics: CommitMetrics
    ) -> None:
        self._bus = bus
        self._horizons = horizons
        self._names = names
        self._clock = clock
        self._metrics = metrics
        # Events whose sender's name must be read first, and everything behind them in their conversation.
        self._waiting: dict[str, deque[tuple[StoredEvent, float]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def committed(self, events: Sequence[StoredEvent]) -> None:
        """A `CommitListener`: returns at once, raises nothing."""
        now = self._clock.now() / 1000
        names = self._names.recent
        for event in events:
            message = event.message
            self._metrics.event(
                event.kind,
                message.message_type if message is not None and event.kind in MESSAGE_KINDS else None,
            )
            waiting = self._waiting.get(event.conversation_id)
            if waiting is not None:
                waiting.append((event, now))
            elif (
                message is None
                or event.kind not in _SAY_MESSAGE
                or message.sender_id is None
                or message.sender_id in names
            ):
                self._announce(event, names, now)
            else:
                self._wait(event, now)

    async def stop(self) -> None:
        """Give up what still waits for a name: clients find it in the log."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _announce(self, event: StoredEvent, names: Names, committed_at: float) -> None:
        message = event.message
        frame = render_frame(event, names, None)
        own_frame: bytes | None = None
        subject_id: str | None = None
        told: Sequence[str] = ()
        if event.kind in _SAY_MESSAGE:
            if message is not None and message.client_message_id is not None:
                own_frame = sender_frame(frame, message.client_message_id)
        elif event.kind in {"member_added", "member_removed"}:
            subject_id = _membership.decode(event.data).user_id
            if event.kind == "member_added":
                told = (subject_id,)
        elif event.kind == "conversation_created":
            told = _founding.decode(event.data).members
        hint = EventHint(
            event.conversation_id,
            event.seq,
            event.kind,
            event.actor_id,
            subject_id,
            frame,
            own_frame,
            committed_at,
            personal=self._is_personal(event),
        )
        self._bus.publish(conversation_channel(event.conversation_id), hint)
        for user_id in told:
            self._bus.publish(user_channel(user_id), hint)

    def _is_personal(self, event: StoredEvent) -> bool:
        """Whether the event shows a message from before some member's time."""
        message = event.message
        if message is None or event.kind not in _SAY_MESSAGE:
            return False
        shown = message.seq if event.kind == MessageEdited.kind else event.seq
        if message.quote is not None:
            shown = min(shown, message.quote.seq)
        return shown < event.seq and not self._horizons.known_to_all(event.conversation_id, shown)

    def _wait(self, event: StoredEvent, now: float) -> None:
        self._waiting[event.conversation_id] = deque([(event, now)])
        task = asyncio.get_running_loop().create_task(self._announce_later(event.conversation_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _announce_later(self, conversation_id: str) -> None:
        """Announce one conversation's events in order; ends once none waits."""
        waiting = self._waiting[conversation_id]
        try:
            while waiting:
                event, committed_at = waiting[0]
                names = await self._read_names(event)
                waiting.popleft()
                self._announce(event, names, committed_at)
        finally:
            del self._waiting[conversation_id]

    async def _read_names(self, event: StoredEvent) -> Names:
        sender_id = event.message.sender_id if event.message is not None else None
        if sender_id is None:
            return {}
        pause = _RETRY_FIRST
        while True:
            try:
                return await self._names.of([sender_id])
            except ApiError as error:
                log.warning(
                    "event is told late: the sender's name cannot be read", error_code=error.code.name
                )
            await asyncio.sleep(pause)
            pause = min(2 * pause, _RETRY_MOST)
