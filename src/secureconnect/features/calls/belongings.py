"""One person's calls: its log, what it said about them, and which recordings it made.

That somebody was in a call stays known to the others who were, by id; the name goes with the account.
"""

from collections.abc import AsyncIterator
from typing import Final

from sqlalchemy import or_, select, tuple_, update

from secureconnect.features.calls.store import call_logs, call_participants, call_recordings
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.database.personal import BATCH, Page, PersonalRows, PersonalTable

__all__ = ["Calls"]

_NAME: Final = "calls"

_p = call_participants.c


class Calls:
    """Implements `privacy.api.Belongings`."""

    name = _NAME

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows = PersonalRows(
            database,
            _NAME,
            PersonalTable(
                table=call_logs,
                where=lambda user_id: call_logs.c.user_id == user_id,
                file="calls.json",
                shown=(
                    "call_id",
                    "conversation_id",
                    "call_type",
                    "direction",
                    "started_at",
                    "ended_at",
                    "duration",
                    "status",
                    "quality_rating",
                ),
            ),
            PersonalTable(
                table=call_recordings,
                where=lambda user_id: call_recordings.c.user_id == user_id,
                file="call_recordings.json",
                shown=("call_id", "file_id", "created_at"),
            ),
            PersonalTable(
                table=call_participants,
                where=lambda user_id: (_p.user_id == user_id) & _p.rating_comment.is_not(None),
                file="call_ratings.json",
                shown=("call_id", "rating", "rating_comment"),
                erased=False,
            ),
        )
        self.tables = frozenset({*self._rows.tables, "calls"})

    def exported(self, user_id: str) -> AsyncIterator[Page]:
        """See `Belongings.exported`."""
        return self._rows.exported(user_id)

    async def erased(self, user_id: str) -> AsyncIterator[int]:
        """See `Belongings.erased`."""
        async for removed in self._rows.erased(user_id):
            yield removed
        forgotten = BATCH
        while forgotten == BATCH:
            forgotten = await self._database.write(lambda tx: self._forget(tx, user_id))
            yield forgotten

    @staticmethod
    def _forget(tx: WriteTx, user_id: str) -> int:
        """What it thought of calls."""
        said = or_(_p.rating.is_not(None), _p.rating_comment.is_not(None))
        some = select(_p.call_id, _p.user_id).where(_p.user_id == user_id, said).limit(BATCH)
        return tx.conn.execute(
            update(call_participants)
            .where(tuple_(_p.call_id, _p.user_id).in_(some))
            .values(rating=None, rating_comment=None)
        ).rowcount
