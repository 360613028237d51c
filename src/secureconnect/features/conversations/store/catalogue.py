"""All conversations of the server, for administration: no names, no titles, no members."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select, tuple_

from secureconnect.features.conversations.api import CatalogueEntry
from secureconnect.features.conversations.store.records import decode_settings
from secureconnect.features.conversations.store.tables import conversations

__all__ = ["catalogue_after", "catalogue_entry", "count_all", "newest"]

_C = conversations.c
_COLUMNS = (_C.conversation_id, _C.type, _C.member_count, _C.created_at, _C.settings)
_LIVE: ColumnElement[bool] = _C.deleted_at.is_(None)


def newest(conn: Connection, *, after: tuple[int, str] | None, limit: int) -> list[CatalogueEntry]:
    """Those made last first, after (created_at, conversation_id)."""
    order = (_C.created_at, _C.conversation_id)
    query = select(*_COLUMNS).where(_LIVE).order_by(*(column.desc() for column in order)).limit(limit)
    if after is not None:
        query = query.where(tuple_(*order) < after)
    return [_entry(row) for row in conn.execute(query)]


def catalogue_after(conn: Connection, after: str, limit: int) -> list[CatalogueEntry]:
    """Ascending by id, above `after`."""
    query = select(*_COLUMNS).where(_LIVE, _C.conversation_id > after).order_by(_C.conversation_id)
    return [_entry(row) for row in conn.execute(query.limit(limit))]


def catalogue_entry(conn: Connection, conversation_id: str) -> CatalogueEntry | None:
    """One conversation that is not deleted."""
    row = conn.execute(select(*_COLUMNS).where(_LIVE, _C.conversation_id == conversation_id)).first()
    return _entry(row) if row is not None else None


def count_all(conn: Connection) -> int:
    """How many conversations there are."""
    return int(conn.execute(select(func.count()).select_from(conversations).where(_LIVE)).scalar_one())


def _entry(row: Row[*tuple[Any, ...]]) -> CatalogueEntry:
    settings = decode_settings(row.settings)
    return CatalogueEntry(
        row.conversation_id,
        row.type,
        row.member_count,
        row.created_at,
        settings.is_e2ee_enabled,
        settings.message_retention_days,
    )
