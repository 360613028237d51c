"""What a message said before it was edited."""

from typing import Any

import msgspec
from msgspec import Struct

from secureconnect.features.messages.service.reading import ReadService
from secureconnect.infra.timeline.base import Timeline
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.objects import Time
from secureconnect.kit.pagination import Cursors
from secureconnect.kit.principal import Principal

__all__ = ["EarlierVersion", "HistoryService", "VersionsPage"]


class EarlierVersion(Struct, frozen=True, kw_only=True):
    """What a message said before its edit number `version`, which was made at `edited_at`."""

    version: int
    content: str
    e2ee: dict[str, Any] | None
    metadata: dict[str, str]
    edited_at: Time


class VersionsPage(Struct, frozen=True, kw_only=True):
    """Versions, the oldest first; a deleted message has none."""

    versions: list[EarlierVersion]
    next_cursor: str | None
    has_more: bool


class HistoryService:
    """Shows members how a message came to say what it says."""

    def __init__(self, timeline: Timeline, reading: ReadService, cursors: Cursors) -> None:
        self._timeline = timeline
        self._reading = reading
        self._cursors = cursors

    async def versions(
        self, caller: Principal, message_id: str, *, cursor: str | None, limit: int
    ) -> VersionsPage:
        """Earlier versions of a message.

        Raises:
            ApiError: `VALIDATION_ERROR`, `NOT_FOUND`, `FORBIDDEN`, `TIMELINE_UNAVAILABLE`.
        """
        scope = ("history", message_id, caller.user_id)
        after = self._cursors.decode(scope, cursor)[0] if cursor is not None else 0
        found = await self._timeline.versions(message_id, after=after, limit=limit + 1)
        # Asked after the reading: who was removed meanwhile learns nothing of what came after (G7).
        message = await self._reading.opened(caller.user_id, message_id)
        if message.deleted_at is not None:
            found = []
        shown, has_more = found[:limit], len(found) > limit
        return VersionsPage(
            versions=[
                EarlierVersion(
                    version=one.version,
                    content=one.content,
                    e2ee=msgspec.json.decode(one.e2ee) if one.e2ee is not None else None,
                    metadata=one.metadata,
                    edited_at=rfc3339(one.edited_at),
                )
                for one in shown
            ],
            next_cursor=self._cursors.encode(scope, (shown[-1].version,)) if has_more else None,
            has_more=has_more,
        )
