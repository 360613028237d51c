"""Searching: where the caller may look → what the index finds there → what of it is still true."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct
from sqlalchemy import Connection

from secureconnect.features.conversations.api import Conversations
from secureconnect.features.messages.api import Messages
from secureconnect.features.search.rules import MYSELF, Asked, parse
from secureconnect.features.search.service.comparing import matches
from secureconnect.features.search.service.feeding import Feeder
from secureconnect.features.users.api import Users
from secureconnect.infra.database.base import Database
from secureconnect.infra.search.base import Hit, Query, SearchIndex
from secureconnect.infra.timeline.base import StoredMessage, Timeline
from secureconnect.kit.errors import ApiError, ErrorCode, invalid
from secureconnect.kit.objects import Feature, Message
from secureconnect.kit.pagination import Cursors
from secureconnect.kit.principal import Principal

__all__ = ["SearchPage", "SearchRequest", "SearchService"]

# Looks at the index for one page, each for twice as much: the first is enough unless much of what it gave
# does not match after all.
_LOOKS = 4


class SearchRequest(Struct, frozen=True, kw_only=True):
    """What is looked for. `text` may hold filters too; all must be met. Times in ms, both included."""

    text: str
    conversation_id: str | None = None
    sender_id: str | None = None
    message_type: str | None = None
    has: Feature | None = None
    since: int | None = None
    until: int | None = None


class SearchPage(Struct, frozen=True):
    """Messages, newest first. A page may hold fewer than asked for although there are more."""

    messages: list[Message]
    next_cursor: str | None
    has_more: bool


class _Shown(NamedTuple):
    position: int
    message: StoredMessage


class SearchService:
    """Finds messages for their readers.

    The index only proposes. Each message is read again and compared with the query, so that an edit or a
    deletion counts before the index has heard of it; then the membership is read again, so that nobody finds
    anything after being removed (docs/reference/realtime.md §7, G7).
    """

    def __init__(
        self,
        database: Database,
        timeline: Timeline,
        index: SearchIndex,
        feeder: Feeder,
        users: Users,
        conversations: Conversations,
        messages: Messages,
        cursors: Cursors,
    ) -> None:
        self._database = database
        self._timeline = timeline
        self._index = index
        self._feeder = feeder
        self._users = users
        self._conversations = conversations
        self._messages = messages
        self._cursors = cursors

    async def search(
        self, caller: Principal, request: SearchRequest, *, cursor: str | None, limit: int
    ) -> SearchPage:
        """One page of what the caller can read and looks for.

        Raises:
            ApiError: `VALIDATION_ERROR`; `NOT_FOUND`, `FORBIDDEN` or `E2EE_BLOCKED` for the conversation that
                is named; `NOT_FOUND` for an unknown sender; `SERVICE_UNAVAILABLE` while the index is behind.
        """
        user_id = caller.user_id
        asked = parse(request.text)
        conversation_id = _conversation(request, asked)
        scope = _scope(user_id, request)
        position: int | None = None
        if cursor is not None:
            (position,) = self._cursors.decode(scope, cursor)
        if not asked and request == SearchRequest(text=request.text):
            raise invalid("query", "needs a word or a filter")
        within = await self._within(user_id, conversation_id)
        query = await self._query(user_id, request, asked)
        if query is None or not within:
            return SearchPage([], None, has_more=False)
        await self._feeder.caught_up()

        shown: list[_Shown] = []
        for look in range(_LOOKS):
            found = await self._index.find(query, within, below=position, limit=limit + 1 << look)
            shown += await self._current(user_id, query, found.hits)
            position = found.rest
            if position is None or len(shown) > limit:
                break
        if len(shown) > limit:
            position = shown[limit - 1].position
        return SearchPage(
            await self._messages.rendered(user_id, [one.message for one in shown[:limit]]),
            self._cursors.encode(scope, (position,)) if position is not None else None,
            has_more=position is not None,
        )

    async def _within(self, user_id: str, conversation_id: str | None) -> Mapping[str, int]:
        """Where to look, and from which seq on."""
        if conversation_id is None:
            return await self._conversations.readable(user_id)
        member = await self._conversations.member(conversation_id, user_id)
        if member.settings.is_e2ee_enabled:
            raise ApiError(ErrorCode.E2EE_BLOCKED, "The server cannot search encrypted conversations.")
        return {conversation_id: member.visible_from}

    async def _query(self, user_id: str, request: SearchRequest, asked: Asked) -> Query | None:
        """What the index is asked; None when nothing can match."""
        sender_id = request.sender_id
        if sender_id is not None and await self._users.get(sender_id) is None:
            raise ApiError(ErrorCode.NOT_FOUND, "There is no such user.")
        if asked.username is not None:
            named = await self._named(user_id, asked.username)
            if named is None or sender_id not in (None, named):
                return None
            sender_id = named
        since = [at for at in (request.since, asked.since) if at is not None]
        until = [at for at in (_after(request.until), asked.until) if at is not None]
        return Query(
            asked.wanted,
            sender_id,
            request.message_type,
            asked.has if request.has is None else asked.has | {request.has},
            max(since, default=None),
            min(until, default=None),
        )

    async def _named(self, user_id: str, username: str) -> str | None:
        if username == MYSELF:
            return user_id
        record = await self._users.by_login(username=username)
        return record.user_id if record is not None else None

    async def _current(self, user_id: str, query: Query, hits: Sequence[Hit]) -> list[_Shown]:
        """Those hits that the user can read and that match, as they are now."""
        if not hits:
            return []
        ids = [hit.message_id for hit in hits]
        stored = await self._timeline.messages_by_id(ids, viewer_id=user_id)

        def read(conn: Connection) -> tuple[dict[str, int], set[str]]:
            conversations = {hit.conversation_id for hit in hits}
            visible = self._conversations.searchable_in(conn, user_id, conversations)
            return visible, self._messages.hidden_in(conn, user_id, ids)

        visible, hidden = await self._database.lookup(read)
        shown: list[_Shown] = []
        for hit in hits:
            message = stored.get(hit.message_id)
            if (
                message is not None
                and hit.message_id not in hidden
                and message.conversation_id in visible
                and message.seq >= visible[message.conversation_id]
                and matches(message, query)
            ):
                shown.append(_Shown(hit.position, message))
        return shown


def _conversation(request: SearchRequest, asked: Asked) -> str | None:
    if asked.conversation_id is None or request.conversation_id in (None, asked.conversation_id):
        return request.conversation_id or asked.conversation_id
    raise invalid("query", "in: names another conversation than conversation_id")


def _after(at: int | None) -> int | None:
    return at + 1 if at is not None else None


def _scope(user_id: str, request: SearchRequest) -> tuple[str | None, ...]:
    return (
        "search",
        user_id,
        request.text,
        request.conversation_id,
        request.sender_id,
        request.message_type,
        request.has,
        str(request.since),
        str(request.until),
    )
