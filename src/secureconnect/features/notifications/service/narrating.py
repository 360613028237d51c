"""Telling the members of a conversation of some of its events, a part of the members in each transaction."""

from collections.abc import Collection, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from secureconnect.features.conversations.api import Audience, Conversations
from secureconnect.features.friends.api import Friends
from secureconnect.features.messages.api import Messages
from secureconnect.features.notifications import store
from secureconnect.features.notifications.service.stories import Story, event_stories, message_stories
from secureconnect.features.notifications.service.telling import Teller
from secureconnect.features.users.api import Users
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline.base import MESSAGE_KINDS, StoredEvent, StoredMessage
from secureconnect.kit.clock import Clock

__all__ = ["Chapter", "Narrator", "Told"]

#: Members that are told before others may write. A mention is an entry of its own for each of them, so many
#: mentions make parts smaller: the writer is busy for some 30 ms at most.
_PART = 64


class Chapter(NamedTuple):
    """Events of one conversation in order, and which of them are told.

    Nothing is missing between `from_seq` and the last; from 0, nothing since what was told before. `here` is
    who is online.
    """

    conversation_id: str
    from_seq: int
    events: Sequence[StoredEvent]
    told: Sequence[StoredEvent]
    here: Collection[str]


class Told(Enum):
    """How much of a chapter was told."""

    ALL = "all"
    #: More members, or more events, in the next transaction.
    SOME = "some"
    #: Nothing: there are earlier events that nobody was told of, or others were told of later ones.
    MISSED = "missed"


class Narrator:
    """Turns events into entries."""

    def __init__(
        self,
        conversations: Conversations,
        friends: Friends,
        messages: Messages,
        users: Users,
        teller: Teller,
        clock: Clock,
    ) -> None:
        self._conversations = conversations
        self._friends = friends
        self._messages = messages
        self._users = users
        self._teller = teller
        self._clock = clock

    def tell_in(self, tx: WriteTx, chapter: Chapter) -> Told:
        """Tell the next members; how far this came is remembered with it.

        So a crash between the parts of a large group neither leaves anybody out nor tells anybody twice: the
        others are told of the same events before anybody is told of later ones.
        """
        key, last = chapter.conversation_id, chapter.events[-1]
        done = store.progress_in(tx, key)
        if chapter.from_seq and (chapter.from_seq > done.seq + 1 or last.seq < (done.part_seq or 0)):
            return Told.MISSED
        end = last if done.part_seq is None else _last_upto(chapter.events, done.part_seq) or last
        if end.seq <= done.seq:
            return Told.ALL
        told = [event for event in chapter.told if done.seq < event.seq <= end.seq]
        size = max(1, _PART // (1 + sum(map(_is_single, told))))
        audience = self._conversations.audience_in(tx, key, after=done.part_to, limit=size) if told else None
        if audience is not None:
            full = len(audience.listeners) == size
            part_to = audience.listeners[-1].user_id if full else None
            names = self._names(tx, told)
            self._of_messages(tx, chapter, told, audience, names)
            self._of_others(tx, chapter, told, audience, names, done.part_to, part_to)
            if part_to is not None:
                store.open_part(tx, key, end.seq, part_to, end.sent_at)
                return Told.SOME
        store.remember(tx, key, end.seq, end.sent_at)
        return Told.ALL if end is last else Told.SOME

    def _names(self, tx: WriteTx, told: Sequence[StoredEvent]) -> dict[str, str]:
        """Of those who acted and are still here: erasure looks for what was told before the account ended."""
        people = {event.actor_id for event in told if event.actor_id is not None}
        found = self._users.many_in(tx.conn, people)
        return {key: record.display_name for key, record in found.items() if record.active}

    def _of_messages(
        self,
        tx: WriteTx,
        chapter: Chapter,
        told: Sequence[StoredEvent],
        audience: Audience,
        names: Mapping[str, str],
    ) -> None:
        said = [message for event in told if (message := _said(event)) is not None]
        if not said:
            return
        called: Mapping[int, Collection[str]] = {}
        users = [listener.user_id for listener in audience.listeners]
        callers = {message.sender_id for message in said if _mentions(message)}
        if callers:
            called = self._messages.called_in(tx.conn, chapter.conversation_id, said[0].seq, said[-1].seq)
        apart = {
            sender_id: self._friends.blocked_with_in(tx.conn, sender_id, users)
            for sender_id in callers
            if sender_id is not None
        }
        wanted = self._teller.preferences_in(tx, users)
        uncalled = {user_id for user_id, preferences in wanted.items() if not preferences.mention_enabled}
        stories = message_stories(said, audience, called, uncalled, apart, names)
        self._put(tx, stories, audience, chapter.here)

    def _of_others(
        self,
        tx: WriteTx,
        chapter: Chapter,
        told: Sequence[StoredEvent],
        audience: Audience,
        names: Mapping[str, str],
        after: str,
        end: str | None,
    ) -> None:
        """What is no message, for users with ids above `after` up to `end`, who may be members no more."""
        others = [event for event in told if event.kind not in MESSAGE_KINDS]
        if others:
            stories = [
                story
                for story in event_stories(others, audience, names)
                if story.notice.user_id > after and (end is None or story.notice.user_id <= end)
            ]
            self._put(tx, stories, audience, chapter.here)

    def _put(self, tx: WriteTx, stories: Sequence[Story], audience: Audience, here: Collection[str]) -> None:
        now = self._clock.now()
        muted = {listener.user_id for listener in audience.listeners if listener.is_muted(now)}
        wanted = self._teller.preferences_in(tx, {story.notice.user_id for story in stories})
        for story in stories:
            notice = story.notice
            if notice.user_id in muted and notice.type in {"message", "reaction"}:
                continue
            self._teller.tell_known_in(
                tx, notice, wanted[notice.user_id], online=notice.user_id in here, preview=story.preview
            )


def _last_upto(events: Sequence[StoredEvent], seq: int) -> StoredEvent | None:
    return next((event for event in reversed(events) if event.seq <= seq), None)


def _is_single(event: StoredEvent) -> bool:
    """Whether the event may be an entry of its own for every member."""
    if event.kind in MESSAGE_KINDS:
        return event.message is not None and _mentions(event.message)
    return event.kind == "e2ee_mode_changed"


def _mentions(message: StoredMessage) -> bool:
    return bool(message.mentions) or message.mention_all or message.mention_here


def _said(event: StoredEvent) -> StoredMessage | None:
    """The message that the event brings, if there is still something to say of it."""
    message = event.message
    if event.kind not in MESSAGE_KINDS or message is None or message.deleted_at is not None:
        return None
    return message
