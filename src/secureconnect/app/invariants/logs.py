"""I1 to I3: every log is whole, and messages are those that it brought.

Deleted groups are left out: a job takes their logs away piece by piece.
"""

from collections.abc import Iterator

from sqlalchemy import Connection, text

__all__ = ["LIVE", "brought", "gapless", "headed"]

#: Conversations whose log is kept.
LIVE = "SELECT conversation_id FROM conversations WHERE deleted_at IS NULL"

_COUNTED = f"""
    SELECT h.conversation_id, h.first_seq, h.last_seq, e.low, e.high, e.events
      FROM timeline_heads h
      LEFT JOIN (SELECT conversation_id, min(seq) AS low, max(seq) AS high, count(*) AS events
                   FROM timeline_events GROUP BY conversation_id) e
        ON e.conversation_id = h.conversation_id
     WHERE h.conversation_id IN ({LIVE})
       AND h.last_seq >= h.first_seq
       AND (e.events IS NULL OR e.low <> h.first_seq OR e.high <> h.last_seq
            OR e.events <> h.last_seq - h.first_seq + 1)
"""  # noqa: S608 - our own text

_HEADLESS = f"""
    SELECT DISTINCT e.conversation_id
      FROM timeline_events e
      LEFT JOIN timeline_heads h ON h.conversation_id = e.conversation_id
     WHERE e.conversation_id IN ({LIVE})
       AND (h.conversation_id IS NULL OR e.seq > h.last_seq OR e.seq < h.first_seq)
"""  # noqa: S608 - our own text

_LOGLESS = f"""
    SELECT c.conversation_id FROM ({LIVE}) c
      LEFT JOIN timeline_heads h ON h.conversation_id = c.conversation_id
     WHERE h.conversation_id IS NULL
"""  # noqa: S608 - our own text

_BROUGHT_NOTHING = f"""
    SELECT e.conversation_id, e.seq FROM timeline_events e
      LEFT JOIN messages m ON m.message_id = e.event_id
     WHERE e.kind IN ('message_created', 'poll_created')
       AND e.conversation_id IN ({LIVE})
       AND (m.message_id IS NULL OR m.seq <> e.seq OR m.conversation_id <> e.conversation_id)
"""  # noqa: S608 - our own text

_BROUGHT_BY_NOTHING = f"""
    SELECT m.conversation_id, m.seq FROM messages m
      LEFT JOIN timeline_events e ON e.conversation_id = m.conversation_id AND e.seq = m.seq
     WHERE m.conversation_id IN ({LIVE})
       AND (e.event_id IS NULL OR e.event_id <> m.message_id
            OR e.kind NOT IN ('message_created', 'poll_created'))
"""  # noqa: S608 - our own text

_TWICE = """
    SELECT conversation_id, sender_id, client_message_id FROM messages
     WHERE client_message_id IS NOT NULL
     GROUP BY conversation_id, sender_id, client_message_id HAVING count(*) > 1
"""


def gapless(conn: Connection) -> Iterator[str]:
    """I1."""
    for row in conn.execute(text(_COUNTED)):
        yield (
            f"conversation {row[0]}: the head says {row[1]} to {row[2]}, "
            f"there are {row[5] or 0} events from {row[3]} to {row[4]}"
        )


def headed(conn: Connection) -> Iterator[str]:
    """I2, as far as rows show it."""
    for row in conn.execute(text(_HEADLESS)):
        yield f"conversation {row[0]}: events outside of its head"
    for row in conn.execute(text(_LOGLESS)):
        yield f"conversation {row[0]}: no log"


def brought(conn: Connection) -> Iterator[str]:
    """I3, and that nothing was sent twice under one client_message_id."""
    for row in conn.execute(text(_BROUGHT_NOTHING)):
        yield f"conversation {row[0]} seq {row[1]}: the event has no message"
    for row in conn.execute(text(_BROUGHT_BY_NOTHING)):
        yield f"conversation {row[0]} seq {row[1]}: the message has no event"
    for row in conn.execute(text(_TWICE)):
        yield f"conversation {row[0]}: {row[1]} has two messages under one client_message_id"
