"""All conversations of the server, as administration sees them."""

from sqlalchemy import Connection

from secureconnect.features.conversations import store
from secureconnect.features.conversations.api import CatalogueEntry

__all__ = ["ConversationCatalogue"]


class ConversationCatalogue:
    """Implements `conversations.api.Catalogue`."""

    def newest_in(
        self, conn: Connection, *, after: tuple[int, str] | None, limit: int
    ) -> list[CatalogueEntry]:
        return store.newest(conn, after=after, limit=limit)

    def after_in(self, conn: Connection, after: str, limit: int) -> list[CatalogueEntry]:
        return store.catalogue_after(conn, after, limit)

    def find_in(self, conn: Connection, conversation_id: str) -> CatalogueEntry | None:
        return store.catalogue_entry(conn, conversation_id)

    def count_in(self, conn: Connection) -> int:
        return store.count_all(conn)
