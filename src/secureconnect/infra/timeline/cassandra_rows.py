"""Rows of Cassandra as the values of the Timeline port, and messages completed with what lies beside them."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from secureconnect.infra.timeline.base import PREVIEW, AttachedFile, Quote, StoredMessage, StoredReaction
from secureconnect.infra.timeline.cassandra_link import Cql, Link, Row
from secureconnect.infra.timeline.cassandra_schema import bucket_of, slot_of

__all__ = [
    "Bare",
    "Overlay",
    "attachments_of",
    "bare_at",
    "complete",
    "grouped",
    "messages_at",
    "place_of",
    "quotes_of",
    "reactions_of",
    "select",
]

_SHOWN: Final = 10  # users named per emoji
_CHUNK: Final = 100

_COLUMNS: Final = (
    "message_id, conversation_id, seq, sender_id, client_message_id, content, is_encrypted, message_type,"
    " metadata, e2ee, sent_at, sender_name, reply_to_message_id, thread_root_id, mentions, mention_all,"
    " mention_here, forwarded, silent, pinned, attachment_count, reaction_count, reply_count, edited_at,"
    " edit_count, deleted_at, deleted_by, delete_reason, expires_at, reply_to_seq"
)
_FIRST: Final = 11
_SELDOM: Final = 18


class Bare(NamedTuple):
    """A message without what lies in other tables, and the place of the message that it answers."""

    message: StoredMessage
    reply_to_seq: int | None


class Overlay:
    """What an open transaction has changed already; reads of its own see it."""

    def __init__(self) -> None:
        self.messages: dict[str, Bare] = {}
        self.attachments: dict[str, tuple[AttachedFile, ...]] = {}
        self.reactions: dict[str, dict[tuple[str, str], int]] = {}


def select(where: str) -> Cql:
    """A query of messages."""
    return Cql("SELECT", "messages", f"SELECT {_COLUMNS} FROM messages WHERE {where}")  # noqa: S608


_AT = select("conversation_id = ? AND bucket = ? AND seq IN ?")
_INDEX = Cql(
    "SELECT",
    "message_index",
    "SELECT conversation_id, seq FROM message_index WHERE slot = ? AND shard = ? AND message_id = ?",
)
_ATTACHED = Cql(
    "SELECT",
    "message_attachments",
    "SELECT file_id, file_name, content_type, file_size, is_encrypted, uploaded_at, has_thumbnail, available"
    " FROM message_attachments WHERE message_id = ?",
)
_REACTED = Cql(
    "SELECT",
    "message_reactions",
    "SELECT user_id, emoji, reacted_at FROM message_reactions WHERE message_id = ?",
)


def bare(row: Row) -> Bare | None:
    """A row of `select`; None for what is left of a message that went while somebody wrote to it."""
    if row[0] is None:
        return None
    seldom = row[_FIRST : _FIRST + _SELDOM]
    sender_name, reply_to, root_id, mentions = seldom[:4]
    message = StoredMessage(
        row[0],
        row[1],
        row[2],
        row[3],
        row[4],
        row[5] or "",
        bool(row[6]),
        row[7],
        row[8] or {},
        row[9],
        row[10],
        sender_name,
        reply_to,
        root_id,
        tuple(mentions or ()),
        bool(seldom[4]),
        bool(seldom[5]),
        bool(seldom[6]),
        bool(seldom[7]),
        bool(seldom[8]),
        seldom[9] or 0,
        seldom[10] or 0,
        seldom[11] or 0,
        seldom[12],
        seldom[13] or 0,
        seldom[14],
        seldom[15],
        seldom[16],
        seldom[17],
    )
    return Bare(message, row[_FIRST + _SELDOM])


async def messages_at(link: Link, conversation_id: str, seqs: Iterable[int]) -> dict[int, Bare]:
    """The messages at these places of a conversation, where there are any."""
    buckets: dict[int, list[int]] = {}
    for seq in seqs:
        buckets.setdefault(bucket_of(seq), []).append(seq)
    asked = (
        link.rows(_AT, conversation_id, bucket, chunk)
        for bucket, places in buckets.items()
        for chunk in _chunks(places)
    )
    found = [one for rows in await asyncio.gather(*asked) for row in rows if (one := bare(row)) is not None]
    return {one.message.seq: one for one in found}


async def bare_at(link: Link, conversation_id: str, seq: int) -> Bare | None:
    """One of them."""
    return (await messages_at(link, conversation_id, [seq])).get(seq)


async def place_of(link: Link, message_id: str) -> tuple[str, int] | None:
    """Conversation and seq of a message; it may be gone from there."""
    row = await link.row(_INDEX, *slot_of(message_id), message_id)
    return None if row is None else (row[0], row[1])


async def attachments_of(link: Link, message_id: str) -> tuple[AttachedFile, ...]:
    """The files of a message, in the order in which they were attached."""
    return tuple(AttachedFile(*row) for row in await link.rows(_ATTACHED, message_id))


async def reactions_of(link: Link, message_id: str) -> dict[tuple[str, str], int]:
    """When who reacted with what."""
    return {(row[0], row[1]): row[2] for row in await link.rows(_REACTED, message_id)}


def grouped(reactions: Mapping[tuple[str, str], int], viewer_id: str | None) -> tuple[StoredReaction, ...]:
    """By emoji, the one used first first."""
    order = sorted(reactions.items(), key=lambda item: (item[1], item[0]))
    users: dict[str, list[str]] = {}
    first: dict[str, int] = {}
    for (user_id, emoji), at in order:
        users.setdefault(emoji, []).append(user_id)
        first.setdefault(emoji, at)
    return tuple(
        StoredReaction(emoji, len(who), tuple(who[:_SHOWN]), viewer_id is not None and viewer_id in who)
        for emoji, who in sorted(users.items(), key=lambda item: (first[item[0]], item[0]))
    )


async def complete(
    link: Link, found: Sequence[Bare], viewer_id: str | None, overlay: Overlay | None = None
) -> list[StoredMessage]:
    """Messages of one or more conversations with attachments, reactions and what they answer."""
    over = overlay or Overlay()
    attached = await _each(
        link,
        attachments_of,
        [one.message.message_id for one in found if one.message.attachment_count],
        over.attachments,
    )
    reacted = await _each(
        link,
        reactions_of,
        [one.message.message_id for one in found if one.message.reaction_count],
        over.reactions,
    )
    quotes = await quotes_of(link, found, over)
    return [_complete(one.message, attached, reacted, quotes, viewer_id) for one in found]


def _complete(
    message: StoredMessage,
    attached: Mapping[str, tuple[AttachedFile, ...]],
    reacted: Mapping[str, Mapping[tuple[str, str], int]],
    quotes: Mapping[str, Quote],
    viewer_id: str | None,
) -> StoredMessage:
    reply_to = message.reply_to_message_id
    if not (message.attachment_count or message.reaction_count or reply_to):
        return message
    return msgspec.structs.replace(
        message,
        attachments=attached.get(message.message_id, ()),
        reactions=grouped(reacted.get(message.message_id, {}), viewer_id),
        quote=None if reply_to is None else quotes.get(reply_to),
    )


async def _each(
    link: Link, read: Callable[[Link, str], Any], message_ids: Sequence[str], over: Mapping[str, Any]
) -> dict[str, Any]:
    missing = [message_id for message_id in message_ids if message_id not in over]
    values = await asyncio.gather(*(read(link, message_id) for message_id in missing))
    return {**dict(zip(missing, values, strict=True)), **over}


async def quotes_of(link: Link, found: Sequence[Bare], over: Overlay) -> dict[str, Quote]:
    """What the messages say now that these answer, by id."""
    wanted: dict[str, set[int]] = {}
    quoted: list[StoredMessage] = []
    for message, seq in found:
        if message.reply_to_message_id is None:
            continue
        if (known := over.messages.get(message.reply_to_message_id)) is not None:
            quoted.append(known.message)
        elif seq is not None:
            wanted.setdefault(message.conversation_id, set()).add(seq)
    pages = await asyncio.gather(*(messages_at(link, key, sorted(seqs)) for key, seqs in wanted.items()))
    quoted += [one.message for page in pages for one in page.values()]
    return {
        one.message_id: Quote(
            one.message_id,
            one.sender_id,
            "" if one.deleted_at is not None or one.is_encrypted else one.content[:PREVIEW],
            one.seq,
        )
        for one in quoted
    }


def _chunks(places: Sequence[int]) -> Iterator[list[int]]:
    for start in range(0, len(places), _CHUNK):
        yield list(places[start : start + _CHUNK])
