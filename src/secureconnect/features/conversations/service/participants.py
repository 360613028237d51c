"""The members of a conversation as one of them sees them."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from secureconnect.features.conversations import store
from secureconnect.features.conversations.api import Member
from secureconnect.features.conversations.service.seats import seat_in
from secureconnect.features.conversations.store import ParticipantRow
from secureconnect.features.users.api import PublicUser, Users
from secureconnect.infra.database.base import Database
from secureconnect.kit.pagination import Page

__all__ = ["Participants", "SeenParticipant"]


class SeenParticipant(NamedTuple):
    """A member; `last_read_seq` is None when that user sends no receipts."""

    conversation_id: str
    user: PublicUser
    row: ParticipantRow
    is_owner: bool
    last_read_seq: int | None


class Participants:
    """Lists members."""

    def __init__(self, database: Database, users: Users) -> None:
        self._database = database
        self._users = users

    async def listed(
        self, viewer_id: str, conversation_id: str, *, after: tuple[int, str] | None, limit: int
    ) -> Page[SeenParticipant]:
        """Members in the order in which they joined.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`.
        """

        def query(conn: Connection) -> tuple[Member, list[ParticipantRow]]:
            member = seat_in(conn, conversation_id, viewer_id).member
            return member, store.list_participants(conn, conversation_id, after=after, limit=limit + 1)

        viewer, rows = await self._database.read(query)
        shown = rows[:limit]
        end = (shown[-1].joined_at, shown[-1].user_id) if len(rows) > limit else None
        return Page(await self._seen(viewer_id, viewer, shown), end)

    async def one(self, viewer_id: str, member: Member) -> SeenParticipant:
        """A member that was read already."""
        (seen,) = await self._seen(viewer_id, member, [store.participant(member)])
        return seen

    async def _seen(
        self, viewer_id: str, some: Member, rows: Sequence[ParticipantRow]
    ) -> list[SeenParticipant]:
        """Members of the conversation that `some` is a member of."""
        user_ids = [row.user_id for row in rows]
        records = await self._users.many(user_ids)
        public = await self._users.public(viewer_id, user_ids)
        return [
            SeenParticipant(
                some.conversation_id,
                public[row.user_id],
                row,
                row.user_id == some.owner_id,
                row.last_read_seq if records[row.user_id].privacy.send_read_receipts else None,
            )
            for row in rows
        ]
