"""What the index is told of a message, and whether a message is a hit: two sides of one rule."""

import re

from secureconnect.infra.search.base import Document, Query
from secureconnect.infra.timeline.base import StoredMessage
from secureconnect.kit.objects import Feature

__all__ = ["document_of", "matches"]

_LINK = re.compile(r"https?://[^\s/]", re.IGNORECASE)


def document_of(message: StoredMessage) -> Document | None:
    """What the index is told of a message; None for those that it never holds: encrypted or deleted ones."""
    if message.is_encrypted or message.deleted_at is not None:
        return None
    return Document(
        message.message_id,
        message.conversation_id,
        message.seq,
        message.sender_id,
        message.sent_at,
        message.message_type,
        _features(message),
        message.content,
    )


def matches(message: StoredMessage, query: Query) -> bool:
    """Whether the message, as it is now, is what the query asks for. The index may be behind, or vague."""
    return (
        not message.is_encrypted
        and message.deleted_at is None
        and (query.sender_id is None or message.sender_id == query.sender_id)
        and (query.message_type is None or message.message_type == query.message_type)
        and (query.since is None or message.sent_at >= query.since)
        and (query.until is None or message.sent_at < query.until)
        and query.has <= _features(message)
        and query.wanted.found_in(message.content)
    )


def _features(message: StoredMessage) -> frozenset[Feature]:
    found: set[Feature] = set()
    if message.attachments:
        found.add("file")
        if any(file.content_type.startswith("image/") for file in message.attachments):
            found.add("image")
    if "://" in message.content and _LINK.search(message.content):
        found.add("link")
    if message.message_type == "poll":
        found.add("poll")
    return frozenset(found)
