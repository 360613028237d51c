"""How stored messages and events become what clients see: one renderer, live and later alike.

Whoever reads an event again gets the message's current state with the sender's current name. What a socket
got at commit and what a fresh fetch gives are made by the same lines, so they cannot drift apart.
"""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from secureconnect.edge.realtime.frames import event_frame, payload_of, text_frame
from secureconnect.features.users.api import UserRecord, Users
from secureconnect.infra.timeline.base import StoredEvent, StoredMessage
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.events import MessageCreated, encode_data
from secureconnect.kit.objects import Event, Message

__all__ = [
    "Names",
    "SenderNames",
    "render_event",
    "render_frame",
    "render_message",
    "sender_frame",
    "senders",
]

#: Display names by user id.
Names = Mapping[str, str]

_REMEMBERED = 10_000
_GONE = "Deleted user"

_WITHOUT_KEY = b'"client_message_id":null'


class SenderNames:
    """Display names of senders, as `users` knows them.

    The commit listener cannot wait, so names of recent senders are also kept here. An entry is renewed at
    each send, hence as fresh as the user record at that moment.
    """

    __slots__ = ("_recent", "_users")

    def __init__(self, users: Users) -> None:
        self._users = users
        self._recent: dict[str, str] = {}

    @property
    def recent(self) -> Names:
        """The names known without waiting."""
        return self._recent

    async def remember(self, user_id: str) -> None:
        """Make the current name of `user_id` known to `recent`."""
        record = await self._users.get(user_id)
        name = _name(record)
        recent = self._recent
        if recent.get(user_id) == name:
            return
        recent.pop(user_id, None)
        recent[user_id] = name
        if len(recent) > _REMEMBERED:
            del recent[next(iter(recent))]

    async def of(self, user_ids: Collection[str]) -> Names:
        """The current names of `user_ids`, in one look-up."""
        records = await self._users.many(user_ids) if user_ids else {}
        return {user_id: _name(records.get(user_id)) for user_id in user_ids}


def _name(record: UserRecord | None) -> str:
    return _GONE if record is None or record.state == "erased" else record.display_name


def senders(messages: Iterable[StoredMessage | None]) -> set[str]:
    """Everybody whose name is needed to render `messages`."""
    return {
        message.sender_id for message in messages if message is not None and message.sender_id is not None
    }


def render_message(stored: StoredMessage, names: Names, viewer_id: str | None) -> Message:
    """The message as `viewer_id` sees it; None is anybody but its sender."""
    sender_id = stored.sender_id
    return Message(
        message_id=stored.message_id,
        conversation_id=stored.conversation_id,
        seq=stored.seq,
        sender_id=sender_id,
        sender_name=names[sender_id] if sender_id is not None else "",
        client_message_id=stored.client_message_id if viewer_id == sender_id else None,
        content=stored.content,
        is_encrypted=stored.is_encrypted,
        message_type=stored.message_type,  # type: ignore[arg-type]  # checked when it was sent
        metadata=stored.metadata,
        e2ee=msgspec.json.decode(stored.e2ee) if stored.e2ee is not None else None,
        sent_at=rfc3339(stored.sent_at),
    )


def render_event(stored: StoredEvent, names: Names, viewer_id: str) -> Event:
    """The event as `GET …/events` gives it."""
    data: dict[str, object]
    if stored.message is not None:
        data = {"message": render_message(stored.message, names, viewer_id)}
    else:
        data = msgspec.json.decode(stored.data)
    return Event(
        conversation_id=stored.conversation_id,
        seq=stored.seq,
        event_id=stored.event_id,
        kind=stored.kind,
        actor_id=stored.actor_id,
        sent_at=rfc3339(stored.sent_at),
        data=data,
    )


def render_frame(stored: StoredEvent, names: Names, viewer_id: str | None) -> bytes:
    """The event as a complete wire frame; `viewer_id` None is anybody but the sender."""
    if stored.message is not None:
        data = encode_data(MessageCreated(message=render_message(stored.message, names, viewer_id)))
    else:
        data = stored.data
    return event_frame(
        stored.conversation_id,
        stored.seq,
        stored.event_id,
        stored.kind,
        stored.actor_id,
        stored.sent_at,
        msgspec.Raw(data),
    )


def sender_frame(frame: bytes, client_message_id: str) -> bytes:
    """The variant for the sender of a frame that `render_frame` made for everybody else.

    Rendering once more would cost as much as the first time. The first place of the bytes looked for is the
    right one: inside a JSON string, such as the sender's name, each quotation mark has a backslash before it.
    """
    key = msgspec.json.encode(client_message_id)
    payload = bytes(payload_of(frame))
    return text_frame(payload.replace(_WITHOUT_KEY, b'"client_message_id":' + key, 1))
