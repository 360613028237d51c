"""Telling the members of a conversation of some of its events, a part of the members in each transaction."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from secureconnect.features.conversations.api import Audience, Conversations
from secureconnect.features.friends.api import Friends
from secureconnect.features.messages.api import Messages
from secureconnect.features.notifications import store
from secureconnect.features.notifications.service.stories import Story, event_stories, message_stories
from secureconnect.features.notifications.service.telling import Teller
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline.base import MESSAGE_KINDS, StoredEvent, StoredMessage
from secureconnect.kit.clock import Clock

__all__ = ["Chapter", "Narrator", "Part"]

#: Members that are told before others may write. A mention is an entry of its own for each of them, so many
#: mentions make parts smaller: the writer is busy for some 30 ms at most.
_PART = 64


class Chapter(NamedTuple):
    """Events of one conversation in order, and which of them are told.

    Nothing is missing between `from_seq` and the last. `names` of those who acted, `here` who is online.
    """

    conversation_id: str
    from_seq: int
    events: Sequence[StoredEvent]
    told: Sequence[StoredEvent]
    names: Mapping[str, str]
    here: Collection[str]


class Part(NamedTuple):
    """Members were told up to the id `next`; None is all of them.

    `missed`: there are earlier events that nobody was told of; nothing was done.
    """

    next: str | None
    missed: bool = False


class Narrator:
    """Turns events into entries."""

    def __init__(
        self,
        conversations: Conversations,
        friends: Friends,
        messages: Messages,
        teller: Teller,
        clock: Clock,
    ) -> None:
        self._conversations = conversations
        self._friends = friends
        self._messages = messages
        self._teller = teller
        self._clock = clock

    def tell_in(self, tx: WriteTx, chapter: Chapter, after: str) -> Part:
        """Tell the next members above the user id `after`; with the last of them it is remembered.

        What somebody was told before, by a part whose end a crash prevented, is not told again.
        """
        key = chapter.conversation_id
        upto = store.progress_in(tx, key)
        if chapter.from_seq > upto + 1:
            return Part(None, missed=True)
        told = [event for event in chapter.told if event.seq > upto]
        size = max(1, _PART // (1 + sum(map(_is_single, told))))
        audience = self._conversations.audience_in(tx, key, after=after, limit=size) if told else None
        if audience is not None:
            end = audience.listeners[-1].user_id if len(audience.listeners) == size else None
            self._of_messages(tx, chapter, told, audience)
            self._of_others(tx, chapter, told, audience, after, end)
            if end is not None:
                return Part(end)
        last = chapter.events[-1]
        if last.seq > upto:
            store.remember(tx, key, last.seq, last.sent_at)
        return Part(None)

    def _of_messages(
        self, tx: WriteTx, chapter: Chapter, told: Sequence[StoredEvent], audience: Audience
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
        stories = message_stories(said, audience, called, uncalled, apart, chapter.names)
        self._put(tx, stories, audience, chapter.here)

    def _of_others(
        self,
        tx: WriteTx,
        chapter: Chapter,
        told: Sequence[StoredEvent],
        audience: Audience,
        after: str,
        end: str | None,
    ) -> None:
        """What is no message, for users with ids above `after` up to `end`, who may be members no more."""
        others = [event for event in told if event.kind not in MESSAGE_KINDS]
        if others:
            stories = [
                story
                for story in event_stories(others, audience, chapter.names)
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
