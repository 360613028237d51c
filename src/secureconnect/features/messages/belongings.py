"""What one person wrote, and how it reacted; what it hid, follows, plans to send; where it is mentioned."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from secureconnect.features.conversations.api import Conversations
from secureconnect.features.messages.service.deleting import Eraser
from secureconnect.features.messages.service.reacting import ReactService
from secureconnect.features.messages.store.scheduled import scheduled_messages
from secureconnect.features.messages.store.tables import hidden_messages, mentions, thread_followers
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.database.personal import Page, PersonalRows, PersonalTable
from secureconnect.infra.timeline.base import Deeds, GuardChanged, StoredMessage, Timeline
from secureconnect.kit.clock import Clock, rfc3339

__all__ = ["Writings", "plans"]

_CONVERSATIONS: Final = 200
_EVENTS: Final = 1000  # looked at per query
_CHANGES: Final = 8  # per transaction: some 10 ms of the writer


def plans(database: Database) -> PersonalRows:
    """What waits to be sent, and personal marks on messages. Implements `privacy.api.Belongings`."""
    return PersonalRows(
        database,
        "message_marks",
        PersonalTable(
            scheduled_messages,
            lambda user_id: scheduled_messages.c.author_id == user_id,
            "scheduled_messages.json",
            (
                "scheduled_id",
                "conversation_id",
                "body",
                "send_at",
                "status",
                "failure_code",
                "message_id",
                "created_at",
            ),
            json=("body",),
        ),
        PersonalTable(
            hidden_messages,
            lambda user_id: hidden_messages.c.user_id == user_id,
            "hidden_messages.json",
            ("conversation_id", "message_id", "hidden_at"),
        ),
        PersonalTable(
            thread_followers,
            lambda user_id: thread_followers.c.user_id == user_id,
            "followed_threads.json",
            ("conversation_id", "thread_root_id", "following"),
        ),
        PersonalTable(mentions, lambda user_id: mentions.c.user_id == user_id),
    )


class Writings:
    """Messages and reactions, in every conversation that the person is or was in.

    Implements `privacy.api.Belongings`. Rows of messages stay as deleted ones, with `delete_reason` erased;
    members are told of each.
    """

    name = "messages"
    tables = frozenset(
        {
            "messages",
            "message_attachments",
            "message_reactions",
            "message_versions",
            "send_dedup",
            "timeline_events",
        }
    )

    def __init__(
        self,
        database: Database,
        timeline: Timeline,
        conversations: Conversations,
        eraser: Eraser,
        reacting: ReactService,
        clock: Clock,
    ) -> None:
        self._database = database
        self._timeline = timeline
        self._conversations = conversations
        self._eraser = eraser
        self._reacting = reacting
        self._clock = clock

    async def exported(self, user_id: str) -> AsyncIterator[Page]:
        """See `Belongings.exported`: first all messages, then all reactions."""
        async for _, deeds in self._deeds(user_id):
            found = await self._timeline.messages_by_id(deeds.sent)
            if found:
                yield "messages.json", [_message(found[key]) for key in deeds.sent if key in found]
        async for _, deeds in self._deeds(user_id):
            found = await self._timeline.messages_by_id(deeds.reacted, viewer_id=user_id)
            if rows := [row for message in found.values() for row in _reactions(message)]:
                yield "reactions.json", rows

    async def erased(self, user_id: str) -> AsyncIterator[int]:
        """See `Belongings.erased`."""
        async for conversation_id, deeds in self._deeds(user_id):
            for ids in _chunks(deeds.sent):
                yield await self._database.write(
                    partial(self._erase, conversation_id=conversation_id, user_id=user_id, ids=ids)
                )
            for ids in _chunks(deeds.reacted):
                yield await self._database.write(partial(self._take_back, user_id=user_id, ids=ids))

    async def _deeds(self, user_id: str) -> AsyncIterator[tuple[str, Deeds]]:
        after: str | None = None
        while page := await self._conversations.ever_in(user_id, after=after, limit=_CONVERSATIONS):
            after = page[-1]
            for conversation_id in page:
                seq: int | None = 0
                while seq is not None:
                    deeds = await self._timeline.deeds(conversation_id, user_id, after_seq=seq, limit=_EVENTS)
                    seq = deeds.last_seq
                    yield conversation_id, deeds

    def _erase(self, tx: WriteTx, conversation_id: str, user_id: str, ids: Sequence[str]) -> int:
        now, erased = self._clock.now(), 0
        self._timeline.forget_sends_in(tx, conversation_id, user_id, ids)
        for message_id in ids:
            message = self._timeline.message_in(tx, message_id)
            if message is None or message.deleted_at is not None:
                continue
            try:
                self._eraser.delete_in(tx, message, at=now, by=None, reason="erased")
            except GuardChanged:  # its conversation is going
                self._timeline.delete_in(tx, message, at=now, by=None, reason="erased")
            erased += 1
        return erased

    def _take_back(self, tx: WriteTx, user_id: str, ids: Sequence[str]) -> int:
        now, gone = self._clock.now(), 0
        for message_id in ids:
            message = self._timeline.message_in(tx, message_id, viewer_id=user_id)
            if message is not None:
                gone += self._reacting.take_back_in(tx, message, user_id, now)
        return gone


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _CHANGES):
        yield ids[start : start + _CHANGES]


def _message(message: StoredMessage) -> Mapping[str, Any]:
    return {
        "message_id": message.message_id,
        "conversation_id": message.conversation_id,
        "sent_at": rfc3339(message.sent_at),
        "message_type": message.message_type,
        "content": message.content,
        "is_encrypted": message.is_encrypted,
        "metadata": message.metadata,
        "reply_to_message_id": message.reply_to_message_id,
        "thread_root_id": message.thread_root_id,
        "mentions": message.mentions,
        "forwarded": message.forwarded,
        "attachments": [
            {"file_id": file.file_id, "file_name": file.file_name, "file_size": file.file_size}
            for file in message.attachments
        ],
        "edited_at": rfc3339(message.edited_at) if message.edited_at is not None else None,
        "deleted_at": rfc3339(message.deleted_at) if message.deleted_at is not None else None,
    }


def _reactions(message: StoredMessage) -> Iterator[Mapping[str, Any]]:
    for reaction in message.reactions:
        if reaction.mine:
            yield {
                "conversation_id": message.conversation_id,
                "message_id": message.message_id,
                "emoji": reaction.emoji,
            }
