"""Who follows which thread."""

from collections.abc import Collection

from secureconnect.infra.timeline.base import Statement

__all__ = ["follow"]


def follow(conversation_id: str, root_id: str, user_ids: Collection[str]) -> list[Statement]:
    """These users follow a thread from now on, unless they said otherwise before; rides in an append.

    Replies up to the new one's predecessor count as read: who comes later is not told of old ones.
    """
    values = ", ".join("(?)" for _ in user_ids)
    sql = (
        "INSERT INTO thread_followers (last_read_seq, conversation_id, thread_root_id, user_id, following)"  # noqa: S608 - placeholders only
        " WITH reply(seq, conversation_id, root_id) AS (SELECT ?, ?, ?)"
        " SELECT reply.seq - 1, reply.conversation_id, reply.root_id, v.column1, TRUE"
        f" FROM reply, (VALUES {values}) AS v WHERE TRUE ON CONFLICT DO NOTHING"
    )
    return [Statement(sql, (conversation_id, root_id, *user_ids))]
