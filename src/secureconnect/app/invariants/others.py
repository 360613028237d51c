"""I7 to I10: votes, storage, calls and sessions."""

from collections.abc import Iterator

from sqlalchemy import Connection, text

__all__ = ["call_places", "counted_votes", "sessions", "used_storage"]

_VOTES = """
    SELECT o.option_id, o.vote_count, count(v.user_id) FROM poll_options o
      LEFT JOIN poll_votes v ON v.option_id = o.option_id AND v.poll_id = o.poll_id
     GROUP BY o.option_id, o.vote_count HAVING count(v.user_id) <> o.vote_count
"""

_VOTED_TWICE = """
    SELECT p.poll_id, v.user_id FROM polls p
      JOIN poll_votes v ON v.poll_id = p.poll_id
     WHERE p.poll_type = 'single'
     GROUP BY p.poll_id, v.user_id HAVING count(*) > 1
"""

_STORAGE = """
    SELECT u.user_id, u.completed_bytes, u.pending_bytes,
           coalesce(sum(CASE WHEN f.status = 'completed' THEN f.file_size END), 0),
           coalesce(sum(CASE WHEN f.status = 'uploading' THEN f.file_size END), 0)
      FROM storage_usage u LEFT JOIN files f ON f.owner_id = u.user_id
     GROUP BY u.user_id, u.completed_bytes, u.pending_bytes
    HAVING u.completed_bytes <> coalesce(sum(CASE WHEN f.status = 'completed' THEN f.file_size END), 0)
        OR u.pending_bytes <> coalesce(sum(CASE WHEN f.status = 'uploading' THEN f.file_size END), 0)
"""

_CALLS = """
    SELECT c.call_id FROM calls c
      JOIN call_participants p ON p.call_id = c.call_id AND p.state = 'joined'
     GROUP BY c.call_id, c.max_participants HAVING count(*) > c.max_participants
"""

_TOKENS = """
    SELECT session_id FROM refresh_tokens WHERE used_at IS NULL
     GROUP BY session_id HAVING count(*) > 1
"""

_BARRED = """
    SELECT s.session_id, s.user_id FROM sessions s
      JOIN users u ON u.user_id = s.user_id
      LEFT JOIN user_bans b
        ON b.user_id = s.user_id AND b.lifted_at IS NULL
       AND (b.banned_until IS NULL OR b.banned_until > s.created_at)
     WHERE s.revoked_at IS NULL AND (u.state <> 'active' OR b.ban_id IS NOT NULL)
"""


def counted_votes(conn: Connection) -> Iterator[str]:
    """I7."""
    for row in conn.execute(text(_VOTES)):
        yield f"poll option {row[0]}: says {row[1]} votes, there are {row[2]}"
    for row in conn.execute(text(_VOTED_TWICE)):
        yield f"single poll {row[0]}: {row[1]} has more than one vote"


def used_storage(conn: Connection) -> Iterator[str]:
    """I8."""
    for row in conn.execute(text(_STORAGE)):
        yield f"user {row[0]}: counted {row[1]} + {row[2]} bytes, files have {row[3]} + {row[4]}"


def call_places(conn: Connection) -> Iterator[str]:
    """I9."""
    if conn.dialect.has_table(conn, "calls"):
        for row in conn.execute(text(_CALLS)):
            yield f"call {row[0]}: more people joined than it has places"


def sessions(conn: Connection) -> Iterator[str]:
    """I10."""
    for row in conn.execute(text(_TOKENS)):
        yield f"session {row[0]}: more than one unused refresh token"
    for row in conn.execute(text(_BARRED)):
        yield f"session {row[0]}: valid, but {row[1]} is banned or deleted"
