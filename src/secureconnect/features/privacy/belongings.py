"""One person's exports."""

from collections.abc import AsyncIterator

from secureconnect.features.privacy import rules, store
from secureconnect.infra.blobs.base import Blobs
from secureconnect.infra.database.base import Database
from secureconnect.infra.database.personal import Page, pages, readable

__all__ = ["Archives"]


class Archives:
    """Implements `privacy.api.Belongings`."""

    name = "exports"
    tables = frozenset({"exports"})

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    async def exported(self, user_id: str) -> AsyncIterator[Page]:
        """See `Belongings.exported`: that there were exports, not what is in them."""
        shown = ("export_id", "status", "created_at", "expires_at")
        async for rows in pages(self._database, store.exports, store.exports.c.user_id == user_id):
            yield "exports.json", [readable(row, shown) for row in rows]

    async def erased(self, user_id: str) -> AsyncIterator[int]:
        """See `Belongings.erased`. The row goes first: an export that is being made finds that out."""
        known = await self._database.read(lambda conn: store.of_user(conn, user_id))
        ids = [export.export_id for export in known]
        yield await self._database.write(lambda tx: store.remove(tx, ids))
        left = [entry.key async for entry in self._blobs.entries(f"exports/{user_id}/")]
        await self._blobs.delete([*left, *(rules.object_key(user_id, export_id) for export_id in ids)])
