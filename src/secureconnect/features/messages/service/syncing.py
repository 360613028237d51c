"""`GET /v1/sync`: what a returning client needs to know about all of its conversations, in few queries."""

from msgspec import Struct

from secureconnect.features.conversations.api import Conversations, LatestMessages, Overview, Role, Type
from secureconnect.infra.timeline.base import Head, Timeline
from secureconnect.kit.clock import Clock, rfc3339
from secureconnect.kit.objects import Id, Time
from secureconnect.kit.pagination import Cursors
from secureconnect.kit.principal import Principal

__all__ = ["SyncPage", "SyncService", "SyncedConversation"]


class SyncedConversation(Struct, frozen=True, kw_only=True):
    """Where one conversation stands, for one of its members."""

    conversation_id: Id
    type: Type
    name: str
    updated_at: Time
    first_seq: int
    last_seq: int
    last_read_seq: int
    last_delivered_seq: int
    unread_count: int
    mention_count: int
    muted_until: Time | None
    archived: bool
    is_e2ee_enabled: bool
    role: Role


class SyncPage(Struct, frozen=True):
    """Conversations ascending by id, so that a walk sees each lasting one exactly once."""

    conversations: list[SyncedConversation]
    server_time: Time
    next_cursor: str | None
    has_more: bool


class SyncService:
    """Tells a client what it missed, without the events themselves."""

    def __init__(
        self,
        timeline: Timeline,
        conversations: Conversations,
        mentions: LatestMessages,
        cursors: Cursors,
        clock: Clock,
        *,
        unread_cap: int,
    ) -> None:
        self._timeline = timeline
        self._conversations = conversations
        self._mentions = mentions
        self._cursors = cursors
        self._clock = clock
        self._unread_cap = unread_cap

    async def sync(self, caller: Principal, *, cursor: str | None, limit: int) -> SyncPage:
        """One page of the caller's conversations, archived and hidden ones too.

        Takes as many queries for 1,000 conversations as for one.

        Raises:
            ApiError: `VALIDATION_ERROR`, `TIMELINE_UNAVAILABLE`.
        """
        user_id = caller.user_id
        scope = ("sync", user_id)
        after: str | None = None
        if cursor is not None:
            (after,) = self._cursors.decode(scope, cursor)
        found = await self._conversations.overviews(user_id, after=after, limit=limit + 1)
        page, has_more = found[:limit], len(found) > limit
        ids = [overview.conversation_id for overview in page]
        heads = await self._timeline.heads(ids)
        marks = {
            overview.conversation_id: max(overview.last_read_seq, overview.visible_from - 1)
            for overview in page
        }
        unread = await self._timeline.unread(user_id, marks, cap=self._unread_cap)
        mentions = await self._mentions.mention_counts(user_id, marks, cap=self._unread_cap)
        # Who was removed meanwhile learns nothing of what came after (G7).
        still = await self._conversations.memberships_among(user_id, ids)
        conversations = [
            _synced(
                overview,
                head,
                unread.get(overview.conversation_id, 0),
                mentions.get(overview.conversation_id, 0),
            )
            for overview in page
            if overview.conversation_id in still and (head := heads.get(overview.conversation_id)) is not None
        ]
        return SyncPage(
            conversations,
            rfc3339(self._clock.now()),
            self._cursors.encode(scope, (page[-1].conversation_id,)) if has_more else None,
            has_more,
        )


def _synced(overview: Overview, head: Head, unread_count: int, mention_count: int) -> SyncedConversation:
    return SyncedConversation(
        conversation_id=overview.conversation_id,
        type=overview.type,
        name=overview.name,
        updated_at=rfc3339(overview.updated_at),
        first_seq=max(head.first_seq, overview.visible_from),
        last_seq=head.last_seq,
        last_read_seq=overview.last_read_seq,
        last_delivered_seq=overview.last_delivered_seq,
        unread_count=unread_count,
        mention_count=mention_count,
        muted_until=rfc3339(overview.muted_until) if overview.muted_until is not None else None,
        archived=overview.archived,
        is_e2ee_enabled=overview.is_e2ee_enabled,
        role=overview.role,
    )
