"""How stored messages and events become what clients see: one renderer, live and later alike.

Whoever reads an event again gets the message's current state with the sender's current name. What a socket
got at commit and what a fresh fetch gives are made by the same lines, so they cannot drift apart.
"""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from secureconnect.edge.realtime.frames import event_frame, payload_of, text_frame
from secureconnect.features.users.api import UserRecord, Users
from secureconnect.infra.timeline.base import AttachedFile, Quote, StoredEvent, StoredMessage, StoredReaction
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.events import (
    CountedReaction,
    MessageCreated,
    MessageEdited,
    PollCreated,
    ReactionAdded,
    ReactionRemoved,
    encode_data,
)
from secureconnect.kit.objects import Attachment, Event, Message, Poll, Reaction, ReplyTo

__all__ = [
    "Cards",
    "Names",
    "SenderNames",
    "counted",
    "polls_of",
    "render_event",
    "render_frame",
    "render_message",
    "sender_frame",
    "senders",
]

#: Display names by user id.
Names = Mapping[str, str]
#: Polls by id.
Cards = Mapping[str, Poll]

_NO_CARDS: Cards = {}
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


def polls_of(messages: Iterable[StoredMessage | None]) -> set[str]:
    """The polls that are needed to render `messages`."""
    return {
        message.message_id
        for message in messages
        if message is not None and message.message_type == "poll" and message.deleted_at is None
    }


def counted(reactions: Iterable[StoredReaction]) -> list[CountedReaction]:
    """Reactions for nobody in particular, as events tell them."""
    return [CountedReaction(one.emoji, one.count, list(one.user_ids)) for one in reactions]


def render_message(
    stored: StoredMessage, names: Names, viewer_id: str | None, cards: Cards = _NO_CARDS
) -> Message:
    """The message as `viewer_id` sees it; None is anybody but its sender."""
    sender_id = stored.sender_id
    return Message(
        message_id=stored.message_id,
        conversation_id=stored.conversation_id,
        seq=stored.seq,
        sender_id=sender_id,
        sender_name=names[sender_id] if sender_id is not None else stored.sender_name or "",
        client_message_id=stored.client_message_id if viewer_id == sender_id else None,
        content=stored.content,
        is_encrypted=stored.is_encrypted,
        message_type=stored.message_type,  # type: ignore[arg-type]  # checked when it was sent
        metadata=stored.metadata,
        e2ee=msgspec.json.decode(stored.e2ee) if stored.e2ee is not None else None,
        # Most messages have nothing of what follows, so it is asked before anything is called.
        attachments=[_attachment(file) for file in stored.attachments] if stored.attachments else [],
        reply_to=_reply_to(stored.quote) if stored.quote is not None else None,
        thread_root_id=stored.thread_root_id,
        reply_count=stored.reply_count,
        mentions=list(stored.mentions) if stored.mentions else [],
        mention_all=stored.mention_all,
        mention_here=stored.mention_here,
        reactions=_reactions(stored) if stored.reactions else [],
        poll=cards.get(stored.message_id) if stored.message_type == "poll" else None,
        forwarded=stored.forwarded,
        pinned=stored.pinned,
        edited_at=rfc3339(stored.edited_at) if stored.edited_at is not None else None,
        edit_count=stored.edit_count,
        deleted_at=rfc3339(stored.deleted_at) if stored.deleted_at is not None else None,
        deleted_by=stored.deleted_by,
        delete_reason=stored.delete_reason,  # type: ignore[arg-type]  # one of ours
        expires_at=rfc3339(stored.expires_at) if stored.expires_at is not None else None,
        sent_at=rfc3339(stored.sent_at),
    )


def _reactions(stored: StoredMessage) -> list[Reaction]:
    return [Reaction(one.emoji, one.count, one.mine, list(one.user_ids)) for one in stored.reactions]


def _attachment(file: AttachedFile) -> Attachment:
    return Attachment(
        file.file_id,
        file.file_name,
        file.content_type,
        file.file_size,
        bool(file.is_encrypted),
        bool(file.has_thumbnail),
        bool(file.available),
    )


def _reply_to(quote: Quote) -> ReplyTo:
    return ReplyTo(quote.message_id, quote.sender_id, quote.preview)


def render_event(stored: StoredEvent, names: Names, viewer_id: str, cards: Cards = _NO_CARDS) -> Event:
    """The event as `GET …/events` gives it."""
    return Event(
        conversation_id=stored.conversation_id,
        seq=stored.seq,
        event_id=stored.event_id,
        kind=stored.kind,
        actor_id=stored.actor_id,
        sent_at=rfc3339(stored.sent_at),
        data=msgspec.json.decode(_data(stored, names, viewer_id, cards)),
    )


def render_frame(stored: StoredEvent, names: Names, viewer_id: str | None, cards: Cards = _NO_CARDS) -> bytes:
    """The event as a complete wire frame; `viewer_id` None is anybody but the sender."""
    return event_frame(
        stored.conversation_id,
        stored.seq,
        stored.event_id,
        stored.kind,
        stored.actor_id,
        stored.sent_at,
        msgspec.Raw(_data(stored, names, viewer_id, cards)),
    )


def _data(stored: StoredEvent, names: Names, viewer_id: str | None, cards: Cards) -> bytes:
    """The event's data with the current state of the message that it brings or is about."""
    message, kind = stored.message, stored.kind
    if message is None:
        return stored.data
    if kind == "message_created":
        return encode_data(MessageCreated(message=render_message(message, names, viewer_id)))
    if kind == "message_edited":
        return encode_data(
            MessageEdited(
                message_id=message.message_id,
                target_seq=message.seq,
                message=render_message(message, names, viewer_id),
            )
        )
    if kind == "poll_created":
        if message.deleted_at is not None:
            return encode_data(PollCreated(poll=_blank(message, names)))
        card = cards.get(message.message_id)
        return encode_data(PollCreated(poll=card)) if card is not None else stored.data
    if message.deleted_at is not None and kind in {ReactionAdded.kind, ReactionRemoved.kind}:
        # What others did with a deleted message is gone with it.
        return msgspec.json.encode(msgspec.json.decode(stored.data) | {"reactions": []})
    return stored.data


def _blank(message: StoredMessage, names: Names) -> Poll:
    """A poll of which nothing is left."""
    sender_id = message.sender_id or ""
    sent_at = rfc3339(message.sent_at)
    return Poll(
        poll_id=message.message_id,
        conversation_id=message.conversation_id,
        creator_id=sender_id,
        creator_name=names.get(sender_id, ""),
        question="",
        poll_type="single",
        allow_vote_change=False,
        anonymous=False,
        is_encrypted=message.is_encrypted,
        expires_at=None,
        is_closed=True,
        closed_at=None,
        close_reason=None,
        options=[],
        total_votes=0,
        total_voters=0,
        user_voted=False,
        user_vote_options=[],
        seq=message.seq,
        created_at=sent_at,
        updated_at=sent_at,
    )


def sender_frame(frame: bytes, client_message_id: str) -> bytes:
    """The variant for the sender of a frame that `render_frame` made for everybody else.

    Rendering once more would cost as much as the first time. The first place of the bytes looked for is the
    right one: inside a JSON string, such as the sender's name, each quotation mark has a backslash before it.
    """
    key = msgspec.json.encode(client_message_id)
    payload = bytes(payload_of(frame))
    return text_frame(payload.replace(_WITHOUT_KEY, b'"client_message_id":' + key, 1))
