"""I4 to I6 and I11: who belongs where, by the rows and by the events."""

from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import Connection, text

from secureconnect.app.invariants.logs import LIVE

__all__ = ["folded", "marks", "owned", "seated"]

_PAGE = 5_000

_MISPLACED = f"""
    SELECT p.conversation_id, p.user_id, p.joined_seq FROM conversation_participants p
      JOIN timeline_heads h ON h.conversation_id = p.conversation_id
      LEFT JOIN timeline_events e ON e.conversation_id = p.conversation_id AND e.seq = p.joined_seq
     WHERE p.conversation_id IN ({LIVE})
       AND p.joined_seq >= h.first_seq
       AND (e.kind IS NULL OR e.kind NOT IN ('conversation_created', 'member_added'))
"""  # noqa: S608 - our own text

_UNOWNED = """
    SELECT c.conversation_id FROM conversations c
      LEFT JOIN conversation_participants p
        ON p.conversation_id = c.conversation_id AND p.user_id = c.owner_id AND p.role = 'admin'
     WHERE c.type = 'group' AND c.deleted_at IS NULL AND c.member_count > 0 AND p.user_id IS NULL
"""

_UNPAIRED = """
    SELECT c.conversation_id FROM conversations c
      LEFT JOIN conversation_participants p ON p.conversation_id = c.conversation_id
     WHERE c.type = 'direct' AND c.deleted_at IS NULL
     GROUP BY c.conversation_id, c.direct_key, c.owner_id
    HAVING count(p.user_id) <> 2 OR c.direct_key IS NULL OR c.owner_id IS NOT NULL
"""

_MISCOUNTED = """
    SELECT c.conversation_id, c.member_count, count(p.user_id) FROM conversations c
      LEFT JOIN conversation_participants p ON p.conversation_id = c.conversation_id
     WHERE c.deleted_at IS NULL
     GROUP BY c.conversation_id, c.member_count HAVING count(p.user_id) <> c.member_count
"""

_MARKED = f"""
    SELECT p.conversation_id, p.user_id FROM conversation_participants p
      JOIN timeline_heads h ON h.conversation_id = p.conversation_id
     WHERE p.conversation_id IN ({LIVE})
       AND (p.last_read_seq < 0 OR p.last_read_seq > p.last_delivered_seq
            OR p.last_delivered_seq > h.last_seq)
"""  # noqa: S608 - our own text

_EVENTS = f"""
    SELECT e.conversation_id, e.seq, e.kind, e.data FROM timeline_events e
      JOIN timeline_heads h ON h.conversation_id = e.conversation_id
     WHERE h.first_seq = 1 AND e.conversation_id IN ({LIVE})
       AND e.kind IN ('conversation_created', 'member_added', 'member_removed')
       AND (e.conversation_id > :conversation_id OR e.conversation_id = :conversation_id AND e.seq > :seq)
     ORDER BY e.conversation_id, e.seq LIMIT {_PAGE}
"""  # noqa: S608 - our own text

_SEATS = "SELECT user_id FROM conversation_participants WHERE conversation_id = :conversation_id"


def seated(conn: Connection) -> Iterator[str]:
    """I4 for memberships: a row says at which event it began."""
    for row in conn.execute(text(_MISPLACED)):
        yield f"conversation {row[0]}: no event at seq {row[2]} made {row[1]} a member"


def owned(conn: Connection) -> Iterator[str]:
    """I5."""
    for row in conn.execute(text(_UNOWNED)):
        yield f"group {row[0]}: its owner is no admin member of it"
    for row in conn.execute(text(_UNPAIRED)):
        yield f"direct conversation {row[0]}: not two members, or no key, or an owner"
    for row in conn.execute(text(_MISCOUNTED)):
        yield f"conversation {row[0]}: member_count is {row[1]}, members are {row[2]}"


def marks(conn: Connection) -> Iterator[str]:
    """I11."""
    for row in conn.execute(text(_MARKED)):
        yield f"conversation {row[0]}: marks of {row[1]} are not within the log"


def folded(conn: Connection) -> Iterator[str]:
    """I6, where nothing of the log was removed."""
    current, members = "", set[str]()
    for conversation_id, seq, kind, data in _membership_events(conn):
        if conversation_id != current:
            yield from _compare(conn, current, members)
            current, members = conversation_id, set()
        try:
            fields = msgspec.json.decode(data, type=dict[str, Any])
            if kind == "conversation_created":
                members.update(fields["members"])
            elif kind == "member_added":
                members.add(fields["user_id"])
            else:
                members.discard(fields["user_id"])
        except (msgspec.DecodeError, KeyError, TypeError):
            yield f"conversation {conversation_id} seq {seq}: the event cannot be read"
    yield from _compare(conn, current, members)


def _membership_events(conn: Connection) -> Iterator[tuple[str, int, str, bytes]]:
    place: dict[str, Any] = {"conversation_id": "", "seq": 0}
    while rows := conn.execute(text(_EVENTS), place).all():
        for row in rows:
            yield row[0], row[1], row[2], bytes(row[3])
        place = {"conversation_id": rows[-1][0], "seq": rows[-1][1]}


def _compare(conn: Connection, conversation_id: str, members: set[str]) -> Iterator[str]:
    if not conversation_id:
        return
    rows = {row[0] for row in conn.execute(text(_SEATS), {"conversation_id": conversation_id})}
    if rows != members:
        yield (
            f"conversation {conversation_id}: {len(rows - members)} members that no event brought, "
            f"{len(members - rows)} that no event took away"
        )
