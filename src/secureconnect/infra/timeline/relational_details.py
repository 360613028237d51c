"""What belongs to messages and lies beside them: attachments, reactions, the message answered.

Read only for messages whose own row says that there is something, so plain messages cost nothing more.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Connection, TextClause, bindparam, select, text

from secureconnect.infra.timeline import tables
from secureconnect.infra.timeline.base import PREVIEW, AttachedFile, Quote, StoredMessage, StoredReaction

__all__ = ["QUOTED", "attachments_of", "quote_from", "reactions_of", "with_details"]

_SHOWN = 10  # users named per emoji
_CHUNK = 200

_a, _m = tables.attachments.c, tables.messages.c

_ATTACHMENTS = (
    select(
        _a.message_id,
        _a.file_id,
        _a.file_name,
        _a.content_type,
        _a.file_size,
        _a.is_encrypted,
        _a.uploaded_at,
        _a.has_thumbnail,
        _a.available,
    )
    .where(_a.message_id.in_(bindparam("ids", expanding=True)))
    .order_by(_a.message_id, _a.position)
)
_r = tables.reactions.c
_MINE = select(_r.message_id, _r.emoji).where(
    _r.message_id.in_(bindparam("ids", expanding=True)), _r.user_id == bindparam("viewer")
)
_QUOTES = select(_m.message_id, _m.sender_id, _m.content, _m.is_encrypted, _m.deleted_at, _m.seq).where(
    _m.message_id.in_(bindparam("ids", expanding=True))
)
#: What `quote_from` takes, for plain SQL; the condition is missing.
QUOTED = "SELECT message_id, sender_id, content, is_encrypted, deleted_at, seq FROM messages"


@cache
def _reactions_sql() -> TextClause:
    """How often each emoji stands there, and the first users of it: counted in an index, however many."""
    return text(
        "SELECT g.message_id, g.emoji, g.total, r.user_id FROM"  # noqa: S608 - a constant
        " (SELECT message_id, emoji, count(*) AS total, min(reacted_at) AS first_at FROM message_reactions"
        " WHERE message_id IN :ids GROUP BY message_id, emoji) AS g"
        " JOIN message_reactions AS r ON r.message_id = g.message_id AND r.emoji = g.emoji"
        " AND r.user_id IN (SELECT x.user_id FROM message_reactions AS x"
        " WHERE x.message_id = g.message_id AND x.emoji = g.emoji"
        f" ORDER BY x.reacted_at, x.user_id LIMIT {_SHOWN})"
        " ORDER BY g.message_id, g.first_at, g.emoji, r.reacted_at, r.user_id"
    ).bindparams(bindparam("ids", expanding=True))


def with_details(
    conn: Connection, messages: Sequence[StoredMessage], viewer_id: str | None
) -> list[StoredMessage]:
    """`messages` completed, in the same order and from the same snapshot."""
    if not any(item.attachment_count or item.reaction_count or item.reply_to_message_id for item in messages):
        return list(messages)
    attached = attachments_of(conn, [item.message_id for item in messages if item.attachment_count])
    reacted = reactions_of(conn, [item.message_id for item in messages if item.reaction_count], viewer_id)
    quotes = _quotes(
        conn, {item.reply_to_message_id for item in messages if item.reply_to_message_id is not None}
    )
    return [
        msgspec.structs.replace(
            item,
            attachments=attached.get(item.message_id, ()),
            reactions=reacted.get(item.message_id, ()),
            quote=quotes.get(item.reply_to_message_id) if item.reply_to_message_id is not None else None,
        )
        if item.attachment_count or item.reaction_count or item.reply_to_message_id is not None
        else item
        for item in messages
    ]


def quote_from(row: Sequence[Any]) -> Quote:
    """What is quoted of a message, from its columns as `QUOTED` selects them."""
    message_id, sender_id, content, is_encrypted, deleted_at, seq = row
    preview = "" if deleted_at is not None or is_encrypted else content[:PREVIEW]
    return Quote(message_id, sender_id, preview, seq)


def attachments_of(conn: Connection, message_ids: Sequence[str]) -> dict[str, tuple[AttachedFile, ...]]:
    """The files of each message, in the order in which they were attached."""
    found: dict[str, list[AttachedFile]] = {}
    for ids in _chunks(message_ids):
        for row in conn.execute(_ATTACHMENTS, {"ids": ids}):
            found.setdefault(row[0], []).append(AttachedFile(*row[1:]))
    return {message_id: tuple(files) for message_id, files in found.items()}


def reactions_of(
    conn: Connection, message_ids: Sequence[str], viewer_id: str | None
) -> dict[str, tuple[StoredReaction, ...]]:
    """The reactions of each message, the emoji used first first."""
    found: dict[str, dict[str, tuple[int, list[str]]]] = {}
    mine: set[tuple[str, str]] = set()
    for ids in _chunks(message_ids):
        for message_id, emoji, total, user_id in conn.execute(_reactions_sql(), {"ids": ids}):
            group = found.setdefault(message_id, {})
            group.setdefault(emoji, (total, []))[1].append(user_id)
        if viewer_id is not None:
            mine.update((row[0], row[1]) for row in conn.execute(_MINE, {"ids": ids, "viewer": viewer_id}))
    return {
        message_id: tuple(
            StoredReaction(emoji, total, tuple(user_ids), (message_id, emoji) in mine)
            for emoji, (total, user_ids) in group.items()
        )
        for message_id, group in found.items()
    }


def _quotes(conn: Connection, message_ids: set[str]) -> dict[str, Quote]:
    found: dict[str, Quote] = {}
    for ids in _chunks(sorted(message_ids)):
        found.update((row[0], quote_from(row)) for row in conn.execute(_QUOTES, {"ids": ids}))
    return found


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _CHUNK):
        yield ids[start : start + _CHUNK]
