"""One person's inbox, and the entries of others that name the person."""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Final

from sqlalchemy import Connection, delete, select

from secureconnect.features.notifications.store import entries, preferences
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.database.personal import Page, PersonalRows, PersonalTable

__all__ = ["Inboxes"]

_LOOKED_AT: Final = 5000  # rows per query
_REMOVED: Final = 500  # per transaction

_n = entries.notifications.c
_p = preferences.notification_preferences.c


class Inboxes:
    """Implements `privacy.api.Belongings`."""

    name = "notifications"
    tables = frozenset({"notifications", "notification_preferences"})

    def __init__(self, database: Database) -> None:
        self._database = database
        self._own = PersonalRows(
            database,
            self.name,
            PersonalTable(
                entries.notifications,
                lambda user_id: _n.user_id == user_id,
                "notifications.json",
                ("notification_id", "type", "title", "body", "data", "count", "is_read", "created_at"),
                json=("data",),
            ),
            PersonalTable(
                preferences.notification_preferences,
                lambda user_id: _p.user_id == user_id,
                "notification_preferences.json",
                ("preferences", "updated_at"),
                json=("preferences",),
            ),
        )

    async def exported(self, user_id: str) -> AsyncIterator[Page]:
        """See `Belongings.exported`."""
        async for page in self._own.exported(user_id):
            yield page

    async def erased(self, user_id: str) -> AsyncIterator[int]:
        """See `Belongings.erased`. Entries of others name whoever acted, with the id in their data."""
        async for count in self._own.erased(user_id):
            yield count
        after: str | None = ""
        while after is not None:
            last, about = await self._database.read(lambda conn, after=after: _about(conn, user_id, after))  # type: ignore[misc]
            for start in range(0, len(about), _REMOVED):
                yield await self._database.write(partial(_remove, ids=about[start : start + _REMOVED]))
            after = last


def _about(conn: Connection, user_id: str, after: str) -> tuple[str | None, list[str]]:
    """Entries that name the user among the next ones, and where those end; None at the end of all."""
    key = _n.notification_id
    rows = conn.execute(
        select(key, _n.data.contains(user_id)).where(key > after).order_by(key).limit(_LOOKED_AT)
    ).all()
    return rows[-1][0] if len(rows) == _LOOKED_AT else None, [row[0] for row in rows if row[1]]


def _remove(tx: WriteTx, ids: Sequence[str]) -> int:
    return tx.conn.execute(delete(entries.notifications).where(_n.notification_id.in_(ids))).rowcount
