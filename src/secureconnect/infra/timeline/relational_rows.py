"""Rows of the relational store as the values of the Timeline port."""

from typing import Any

import msgspec

from secureconnect.infra.timeline import tables
from secureconnect.infra.timeline.base import StoredMessage

__all__ = ["MESSAGE_COLUMNS", "MESSAGE_NAMES", "metadata_of", "metadata_text", "stored_message"]

_m = tables.messages.c

# The first part of every message, then what most messages have nothing in.
_FIRST = (
    _m.message_id,
    _m.conversation_id,
    _m.seq,
    _m.sender_id,
    _m.client_message_id,
    _m.content,
    _m.is_encrypted,
    _m.message_type,
    _m.metadata,
    _m.e2ee,
    _m.sent_at,
)
_SELDOM = (
    _m.sender_name,
    _m.reply_to_message_id,
    _m.thread_root_id,
    _m.mentions,
    _m.mention_all,
    _m.mention_here,
    _m.forwarded,
    _m.silent,
    _m.pinned,
    _m.attachment_count,
    _m.reaction_count,
    _m.reply_count,
    _m.edited_at,
    _m.edit_count,
    _m.deleted_at,
    _m.deleted_by,
    _m.delete_reason,
    _m.expires_at,
)
#: In the order of the fields of `StoredMessage`, and of what `stored_message` takes.
MESSAGE_COLUMNS = (*_FIRST, *_SELDOM)
MESSAGE_NAMES = tuple(column.name for column in MESSAGE_COLUMNS)

_WIDTH = len(_FIRST)
# Equal to rows of the driver too, whose false is 0.
_NOTHING = (None, None, None, None, 0, 0, 0, 0, 0, 0, 0, 0, None, 0, None, None, None, None)
_MENTIONS = 3

_metadata = msgspec.json.Decoder(dict[str, str])
_mentions = msgspec.json.Decoder(tuple[str, ...])


def metadata_of(text: str) -> dict[str, str]:
    """Metadata as it was stored."""
    return {} if text == "{}" else _metadata.decode(text)


def metadata_text(metadata: dict[str, str]) -> str:
    """Metadata as it is stored."""
    return msgspec.json.encode(metadata).decode() if metadata else "{}"


def stored_message(row: Any) -> StoredMessage:
    """A row of `MESSAGE_COLUMNS`, without what lies in other tables."""
    seldom = tuple(row[_WIDTH:])
    more: tuple[Any, ...] = ()
    if seldom != _NOTHING:
        mentions = seldom[_MENTIONS]
        more = (
            *seldom[:_MENTIONS],
            _mentions.decode(mentions) if mentions is not None else (),
            *(bool(value) for value in seldom[_MENTIONS + 1 : _MENTIONS + 6]),
            *seldom[_MENTIONS + 6 :],
        )
    return StoredMessage(
        row[0],
        row[1],
        row[2],
        row[3],
        row[4],
        row[5],
        bool(row[6]),
        row[7],
        metadata_of(row[8]),
        row[9],
        row[10],
        *more,
    )
