"""Reading the log across conversations, for what is built from all of it."""

from sqlalchemy import Connection, select

from secureconnect.infra.timeline import tables
from secureconnect.infra.timeline.base import StoredMessage
from secureconnect.infra.timeline.relational_details import with_details
from secureconnect.infra.timeline.relational_rows import MESSAGE_COLUMNS, stored_message

__all__ = ["active_since", "older_messages"]

_h, _m = tables.heads.c, tables.messages.c


def active_since(conn: Connection, since: int, after: str | None, limit: int) -> list[str]:
    """See `Timeline.active_since`. Looks at every head: sends do not pay for an order by time."""
    query = select(_h.conversation_id).where(_h.last_at >= since).order_by(_h.conversation_id).limit(limit)
    if after is not None:
        query = query.where(_h.conversation_id > after)
    return list(conn.execute(query).scalars())


def older_messages(conn: Connection, before_id: str, limit: int) -> list[StoredMessage]:
    """See `Timeline.older_messages`."""
    query = select(*MESSAGE_COLUMNS).where(_m.message_id < before_id).order_by(_m.message_id.desc())
    return with_details(conn, [stored_message(row) for row in conn.execute(query.limit(limit))], None)
