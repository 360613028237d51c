"""Threads: the replies to one message, with a read mark of their own for everybody who follows."""

from msgspec import Struct

from secureconnect.edge.realtime.frames import json_frame
from secureconnect.features.messages import store
from secureconnect.features.messages.service.reading import ReadService
from secureconnect.features.messages.service.viewing import TimelineView
from secureconnect.infra.bus.base import Bus
from secureconnect.infra.database.base import Database
from secureconnect.infra.timeline.base import StoredMessage, Timeline
from secureconnect.kit.hints import UserFrame, user_channel
from secureconnect.kit.objects import Id, Message
from secureconnect.kit.pagination import Cursors
from secureconnect.kit.principal import Principal

__all__ = ["ThreadPage", "ThreadService", "ThreadState"]


class ThreadState(Struct, frozen=True):
    """The caller's own place in a thread. A count at `messaging.unread_cap` means "so many or more"."""

    following: bool
    last_read_seq: int
    unread_count: int


class ThreadPage(Struct, frozen=True):
    """A thread: its replies oldest first, deleted ones as empty rows. `participants` wrote in it."""

    root: Message
    messages: list[Message]
    participants: list[Id]
    following: bool
    last_read_seq: int
    unread_count: int
    next_cursor: str | None
    has_more: bool


class ThreadService:
    """Reads threads and keeps who follows them."""

    def __init__(
        self,
        database: Database,
        timeline: Timeline,
        reading: ReadService,
        view: TimelineView,
        bus: Bus,
        cursors: Cursors,
        *,
        unread_cap: int,
    ) -> None:
        self._database = database
        self._timeline = timeline
        self._reading = reading
        self._view = view
        self._bus = bus
        self._cursors = cursors
        self._unread_cap = unread_cap

    async def thread(
        self, caller: Principal, message_id: str, *, cursor: str | None, limit: int
    ) -> ThreadPage:
        """The thread that a message began; asked with one of its replies, the same thread.

        Raises:
            ApiError: `VALIDATION_ERROR`, `NOT_FOUND`, `FORBIDDEN`, `TIMELINE_UNAVAILABLE`.
        """
        user_id = caller.user_id
        root_id = (await self._root(user_id, message_id)).message_id
        scope = ("thread", root_id, user_id)
        after = self._cursors.decode(scope, cursor)[0] if cursor is not None else 0
        found = await self._timeline.thread(root_id, after_seq=after, limit=limit + 1, viewer_id=user_id)
        senders = await self._timeline.thread_senders(root_id)
        state = await self._state(user_id, root_id)
        # Asked after the reading: who was removed meanwhile learns nothing of what came after (G7).
        root = await self._reading.opened(user_id, root_id)
        page, has_more = found[:limit], len(found) > limit
        shown = await self._view.rendered(user_id, [root, *await self._view.unhidden(user_id, page)])
        wrote = [root.sender_id] if root.sender_id is not None else []
        return ThreadPage(
            shown[0],
            shown[1:],
            list(dict.fromkeys([*wrote, *senders])),
            state.following,
            state.last_read_seq,
            state.unread_count,
            self._cursors.encode(scope, (page[-1].seq,)) if has_more else None,
            has_more,
        )

    async def update(
        self, caller: Principal, message_id: str, *, following: bool | None, last_read_seq: int | None
    ) -> ThreadState:
        """Follow a thread or not, and move its read mark, which never goes back.

        The caller's sockets get a `thread_state`.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `TIMELINE_UNAVAILABLE`.
        """
        user_id = caller.user_id
        root = await self._root(user_id, message_id)
        head = await self._timeline.head(root.conversation_id)
        reached = min(last_read_seq or 0, head.last_seq if head is not None else 0)
        changed = await self._database.write(
            lambda tx: store.update_follower(
                tx, root.conversation_id, root.message_id, user_id, following, reached
            ),
            brief=True,
        )
        state = await self._state(user_id, root.message_id)
        if changed:
            frame = json_frame(
                {
                    "type": "thread_state",
                    "message_id": root.message_id,
                    "following": state.following,
                    "last_read_seq": state.last_read_seq,
                    "unread_count": state.unread_count,
                }
            )
            self._bus.publish(user_channel(user_id), UserFrame(user_id, frame))
        return state

    async def _root(self, user_id: str, message_id: str) -> StoredMessage:
        message = await self._reading.opened(user_id, message_id)
        if message.thread_root_id is None:
            return message
        return await self._reading.opened(user_id, message.thread_root_id)

    async def _state(self, user_id: str, root_id: str) -> ThreadState:
        following, last_read_seq = await self._database.lookup(
            lambda conn: store.follower(conn, root_id, user_id)
        )
        unread = await self._timeline.thread_unread(root_id, user_id, last_read_seq, cap=self._unread_cap)
        return ThreadState(following, last_read_seq, unread)
