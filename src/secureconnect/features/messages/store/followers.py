"""Who follows which thread."""

from collections.abc import Collection

from sqlalchemy import Connection, insert, select, update

from secureconnect.features.messages.store.tables import thread_followers
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline.base import Statement

__all__ = ["follow", "follower", "followers", "update_follower"]

_f = thread_followers.c


def follow(conversation_id: str, root_id: str, user_ids: Collection[str]) -> list[Statement]:
    """These users follow a thread from now on, unless they said otherwise before; rides in an append.

    Replies up to the new one's predecessor count as read: who comes later is not told of old ones.
    """
    values = ", ".join("(?)" for _ in user_ids)
    sql = (
        "INSERT INTO thread_followers (last_read_seq, conversation_id, thread_root_id, user_id, following)"  # noqa: S608 - placeholders only
        " WITH reply(seq, conversation_id, root_id) "
        "AS (SELECT CAST(? AS BIGINT), CAST(? AS VARCHAR), CAST(? AS VARCHAR))"
        " SELECT reply.seq - 1, reply.conversation_id, reply.root_id, v.column1, TRUE"
        f" FROM reply, (VALUES {values}) AS v WHERE TRUE ON CONFLICT DO NOTHING"
    )
    return [Statement(sql, (conversation_id, root_id, *user_ids))]


def follower(conn: Connection, root_id: str, user_id: str) -> tuple[bool, int]:
    """Whether a user follows a thread, and how far it has read there."""
    row = conn.execute(
        select(_f.following, _f.last_read_seq).where(_f.thread_root_id == root_id, _f.user_id == user_id)
    ).first()
    return (bool(row[0]), row[1]) if row is not None else (False, 0)


def followers(conn: Connection, root_id: str) -> set[str]:
    """Who follows a thread."""
    return set(conn.scalars(select(_f.user_id).where(_f.thread_root_id == root_id, _f.following)))


def update_follower(
    tx: WriteTx, conversation_id: str, root_id: str, user_id: str, following: bool | None, seq: int
) -> bool:
    """Change a user's place in a thread; the read mark never goes back. False when nothing changed."""
    row = tx.conn.execute(
        select(_f.following, _f.last_read_seq).where(_f.thread_root_id == root_id, _f.user_id == user_id)
    ).first()
    was = (bool(row[0]), row[1]) if row is not None else (False, 0)
    now = (was[0] if following is None else following, max(was[1], seq))
    if row is None:
        tx.conn.execute(
            insert(thread_followers).values(
                thread_root_id=root_id,
                user_id=user_id,
                conversation_id=conversation_id,
                following=now[0],
                last_read_seq=now[1],
            )
        )
    elif now != was:
        tx.conn.execute(
            update(thread_followers)
            .where(_f.thread_root_id == root_id, _f.user_id == user_id)
            .values(following=now[0], last_read_seq=now[1])
        )
    return row is None or now != was
