"""Reacting: one emoji per reaction, several per member."""

import asyncio
from typing import NamedTuple

from msgspec import Struct

from secureconnect.features.conversations.api import Facts
from secureconnect.features.messages.rules import (
    check_may_react,
    check_room_for_reaction,
    emoji_sequence,
    no_message,
    spellings,
)
from secureconnect.features.messages.service.changing import Changes
from secureconnect.features.messages.service.reading import ReadService
from secureconnect.features.messages.service.rendering import counted
from secureconnect.features.users.api import PublicUser, Users
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline.base import Reacted, StoredMessage, StoredReaction, Timeline
from secureconnect.kit.clock import Clock, rfc3339
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.events import ReactionAdded, ReactionRemoved, encode_data
from secureconnect.kit.objects import Time
from secureconnect.kit.pagination import Cursors
from secureconnect.kit.principal import Principal

__all__ = ["ReactService", "Reactions", "Reactor", "ReactorsPage"]


class Reactions(NamedTuple):
    """The reactions of a message, those of the caller marked; `seq` is that of this call's event, if any."""

    message_id: str
    reactions: tuple[StoredReaction, ...]
    seq: int | None


class Reactor(Struct, frozen=True, kw_only=True):
    """One reaction and whose it is."""

    emoji: str
    user: PublicUser
    reacted_at: Time


class ReactorsPage(Struct, frozen=True, kw_only=True):
    """Reactions, the earliest first."""

    reactions: list[Reactor]
    next_cursor: str | None
    has_more: bool


class ReactService:
    """Lets members say something without words."""

    def __init__(
        self,
        timeline: Timeline,
        changes: Changes,
        reading: ReadService,
        users: Users,
        cursors: Cursors,
        clock: Clock,
    ) -> None:
        self._timeline = timeline
        self._changes = changes
        self._reading = reading
        self._users = users
        self._cursors = cursors
        self._clock = clock
        self._prepared = False

    async def add(self, caller: Principal, message_id: str, emoji: str) -> Reactions:
        """React to a message; the same reaction again changes nothing.

        Raises:
            ApiError: `VALIDATION_ERROR`, `NOT_FOUND`, `FORBIDDEN`, `LIMIT_REACHED`, `TIMELINE_UNAVAILABLE`.
        """
        sequence = await self._sequence(emoji)
        user_id, now = caller.user_id, self._clock.now()

        def change(tx: WriteTx, facts: Facts, message: StoredMessage) -> Reactions:
            if message.deleted_at is not None:
                raise no_message()
            check_may_react(facts)
            if _mine(message, sequence):
                return Reactions(message_id, message.reactions, None)
            check_room_for_reaction(message.reactions, sequence)
            self._timeline.react_in(tx, message_id, Reacted(user_id, sequence, now))
            return self._told_in(tx, message, ReactionAdded, user_id, sequence, now)

        return await self._changes.act(user_id, message_id, change)

    async def remove(self, caller: Principal, message_id: str, emoji: str) -> Reactions:
        """Take a reaction back.

        Raises:
            ApiError: `VALIDATION_ERROR`; `NOT_FOUND`, also when the caller has no such reaction; `FORBIDDEN`,
                `TIMELINE_UNAVAILABLE`.
        """
        sequence = await self._sequence(emoji)
        user_id, now = caller.user_id, self._clock.now()

        def change(tx: WriteTx, _: Facts, message: StoredMessage) -> Reactions:
            if not _mine(message, sequence):
                raise ApiError(ErrorCode.NOT_FOUND, "There is no such reaction of yours.")
            self._timeline.unreact_in(tx, message_id, user_id, sequence)
            return self._told_in(tx, message, ReactionRemoved, user_id, sequence, now)

        return await self._changes.act(user_id, message_id, change)

    def take_back_in(self, tx: WriteTx, message: StoredMessage, user_id: str, now: int) -> int:
        """Take back whatever a user that is erased put on `message`, read in this transaction for that user;
        members are told. Returns how many reactions went.
        """
        mine = [one.emoji for one in message.reactions if one.mine]
        for emoji in mine:
            self._timeline.unreact_in(tx, message.message_id, user_id, emoji)
            self._told_in(tx, message, ReactionRemoved, user_id, emoji, now)
        return len(mine)

    async def reactors(
        self, caller: Principal, message_id: str, *, emoji: str | None, cursor: str | None, limit: int
    ) -> ReactorsPage:
        """Who reacted, in which way and when; only with `emoji`, when that is given.

        Raises:
            ApiError: `VALIDATION_ERROR`, `NOT_FOUND`, `FORBIDDEN`, `TIMELINE_UNAVAILABLE`.
        """
        sequence = await self._sequence(emoji) if emoji is not None else None
        scope = ("reactions", message_id, sequence, caller.user_id)
        after = Reacted(*self._cursors.decode(scope, cursor)) if cursor is not None else None
        found = await self._timeline.reactions(message_id, emoji=sequence, after=after, limit=limit + 1)
        # Asked after the reading: who was removed meanwhile learns nothing of what came after (G7).
        await self._reading.opened(caller.user_id, message_id)
        shown, has_more = found[:limit], len(found) > limit
        public = await self._users.public(caller.user_id, {one.user_id for one in shown})
        end = (shown[-1].user_id, shown[-1].emoji, shown[-1].reacted_at) if has_more else None
        return ReactorsPage(
            reactions=[
                Reactor(emoji=one.emoji, user=public[one.user_id], reacted_at=rfc3339(one.reacted_at))
                for one in shown
                if one.user_id in public
            ],
            next_cursor=self._cursors.encode(scope, end) if end is not None else None,
            has_more=has_more,
        )

    async def _sequence(self, emoji: str) -> str:
        if not self._prepared:
            await asyncio.to_thread(spellings)
            self._prepared = True
        return emoji_sequence(emoji)

    def _told_in(
        self,
        tx: WriteTx,
        message: StoredMessage,
        event: type[ReactionAdded | ReactionRemoved],
        user_id: str,
        emoji: str,
        now: int,
    ) -> Reactions:
        """What the message's reactions are after the change, told to everybody."""
        changed = self._timeline.message_in(tx, message.message_id, viewer_id=user_id)
        assert changed is not None  # it was read in this transaction
        data = event(
            message_id=message.message_id,
            target_seq=message.seq,
            user_id=user_id,
            emoji=emoji,
            reactions=counted(changed.reactions),
        )
        seq = self._changes.tell_in(tx, message, data.kind, user_id, now, encode_data(data), with_state=True)
        return Reactions(message.message_id, changed.reactions, seq)


def _mine(message: StoredMessage, emoji: str) -> bool:
    return any(one.mine and one.emoji == emoji for one in message.reactions)
