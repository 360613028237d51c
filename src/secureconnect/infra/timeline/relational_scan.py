"""Reading the log across conversations, for what is built from all of it."""

from collections.abc import Collection

from sqlalchemy import Connection, bindparam, func, select

from secureconnect.infra.timeline import tables
from secureconnect.infra.timeline.base import StoredMessage
from secureconnect.infra.timeline.relational_details import with_details
from secureconnect.infra.timeline.relational_read import messages_by_id
from secureconnect.infra.timeline.relational_rows import MESSAGE_COLUMNS, stored_message

__all__ = ["active_since", "changed_since", "older_messages"]

_PAGE = 50

_e, _h, _m = tables.events.c, tables.heads.c, tables.messages.c

_ACTIVE = (
    select(_h.conversation_id)
    .where(_h.last_at >= bindparam("since"), _h.conversation_id > bindparam("after"))
    .order_by(_h.conversation_id)
    .limit(bindparam("limit"))
)
_LATEST = (
    select(_e.seq, func.coalesce(_e.target_id, _e.event_id), _e.kind, _e.sent_at)
    .where(_e.conversation_id == bindparam("id"), _e.seq < bindparam("before"))
    .order_by(_e.seq.desc())
    .limit(_PAGE)
)
_END = 2**62


def active_since(conn: Connection, since: int, after: str | None, limit: int) -> list[str]:
    """See `Timeline.active_since`. Looks at every head: sends do not pay for an order by time."""
    return list(conn.execute(_ACTIVE, {"since": since, "after": after or "", "limit": limit}).scalars())


def changed_since(
    conn: Connection, since: int, kinds: Collection[str], after: str | None, limit: int
) -> tuple[list[StoredMessage], str | None]:
    """See `Timeline.changed_since`."""
    active = active_since(conn, since, after, limit)
    changed: set[str] = set()
    for conversation_id in active:
        changed |= _changed(conn, conversation_id, since, kinds)
    found = messages_by_id(conn, sorted(changed), None)
    return list(found.values()), active[-1] if len(active) == limit else None


def _changed(conn: Connection, conversation_id: str, since: int, kinds: Collection[str]) -> set[str]:
    """The ids of messages that events of these `kinds` brought or were about."""
    changed: set[str] = set()
    before = _END
    while True:
        rows = conn.execute(_LATEST, {"id": conversation_id, "before": before}).all()
        changed.update(row[1] for row in rows if row[3] >= since and row[2] in kinds)
        if len(rows) < _PAGE or rows[-1][3] < since:
            return changed
        before = rows[-1][0]


def older_messages(conn: Connection, before_id: str, limit: int) -> list[StoredMessage]:
    """See `Timeline.older_messages`."""
    query = select(*MESSAGE_COLUMNS).where(_m.message_id < before_id).order_by(_m.message_id.desc())
    return with_details(conn, [stored_message(row) for row in conn.execute(query.limit(limit))], None)
