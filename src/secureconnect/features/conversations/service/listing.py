"""A user's conversations as a list."""

from msgspec import Struct

from secureconnect.features.conversations import store
from secureconnect.features.conversations.api import Conversation, Type
from secureconnect.features.conversations.service.seats import seat_in
from secureconnect.features.conversations.service.views import Views
from secureconnect.features.conversations.store import Archived
from secureconnect.infra.database.base import Database
from secureconnect.kit.pagination import Page
from secureconnect.kit.text import fold

__all__ = ["Filter", "Listing"]

_After = tuple[int, str]


class Filter(Struct, frozen=True):
    """Which conversations; `text` is looked for in their names without regard to case."""

    archived: Archived
    type: Type | None
    text: str | None


class Listing:
    """Lists and shows conversations."""

    def __init__(self, database: Database, views: Views) -> None:
        self._database = database
        self._views = views

    async def one(self, viewer_id: str, conversation_id: str) -> Conversation:
        """One conversation.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`.
        """
        seat = await self._database.lookup(lambda conn: seat_in(conn, conversation_id, viewer_id))
        return await self._views.conversation(seat)

    async def listed(
        self, viewer_id: str, which: Filter, *, after: _After | None, offset: int, limit: int
    ) -> Page[Conversation]:
        """Conversations of the viewer that are not hidden, newest `updated_at` first."""
        if which.text is not None:
            return await self._matching(viewer_id, which, which.text, after, offset, limit)
        seats = await self._database.read(
            lambda conn: store.list_seats(
                conn,
                viewer_id,
                archived=which.archived,
                type_=which.type,
                after=after,
                offset=offset,
                limit=limit + 1,
            )
        )
        shown = seats[:limit]
        end = None
        if len(seats) > limit:
            last = shown[-1].record
            end = (last.updated_at, last.conversation_id)
        return Page(await self._views.listed(viewer_id, shown), end)

    async def _matching(
        self, viewer_id: str, which: Filter, text: str, after: _After | None, offset: int, limit: int
    ) -> Page[Conversation]:
        """Names of people are not in our tables, so all names of the viewer's list are put together first."""
        called = await self._database.read(
            lambda conn: store.candidates(conn, viewer_id, archived=which.archived, type_=which.type)
        )
        names = await self._views.names(viewer_id, called)
        wanted = fold(text)
        matching = [
            one
            for one in called
            if (after is None or (one.updated_at, one.conversation_id) < after)
            and wanted in fold(names[one.conversation_id])
        ][offset : offset + limit + 1]
        shown = [one.conversation_id for one in matching[:limit]]
        seats = await self._database.read(lambda conn: store.find_seats(conn, viewer_id, shown))
        found = [seats[key] for key in shown if key in seats]
        end = None
        if len(matching) > limit:
            last = matching[limit - 1]
            end = (last.updated_at, last.conversation_id)
        return Page(await self._views.listed(viewer_id, found, names), end)
