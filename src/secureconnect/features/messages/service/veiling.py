"""What one viewer does not see of messages and events that it may read.

What it deleted for itself, and what stands before its time: a message from there is neither quoted nor shown
again by a later edit (docs/reference/realtime.md §7, G7). Events keep their places.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct
from sqlalchemy import Connection

from secureconnect.features.conversations.api import Horizons
from secureconnect.features.messages import store
from secureconnect.infra.timeline.base import StoredEvent, StoredMessage
from secureconnect.kit.events import MessageEdited

__all__ = ["Veil", "veil_in"]


class Veil(Struct, frozen=True):
    """`hidden`: when (ms) the viewer deleted messages for itself, by id. `first`: the lowest seq that it may
    read, for each conversation in question that it is a member of."""

    viewer_id: str
    hidden: Mapping[str, int]
    first: Mapping[str, int]

    def message(self, message: StoredMessage) -> StoredMessage:
        """The message without the words of one that it answers and that the viewer does not see."""
        quote = message.quote
        if quote is None or not (
            quote.message_id in self.hidden or self._is_before(message.conversation_id, quote.seq)
        ):
            return message
        return msgspec.structs.replace(message, quote=msgspec.structs.replace(quote, preview=""))

    def event(self, event: StoredEvent) -> StoredEvent:
        """The event; a message that the viewer does not see is a deleted row in it."""
        message = event.message
        if message is None:
            return event
        hidden_at = self.hidden.get(message.message_id)
        if hidden_at is not None:
            deleted_by = message.deleted_by if message.deleted_at is not None else self.viewer_id
            shown = _bare(message, message.deleted_at or hidden_at, deleted_by, message.delete_reason)
        elif event.kind == MessageEdited.kind and self._is_before(message.conversation_id, message.seq):
            shown = _bare(message, message.sent_at, None, "expired")
        else:
            shown = self.message(message)
        return event if shown is message else msgspec.structs.replace(event, message=shown)

    def _is_before(self, conversation_id: str, seq: int) -> bool:
        first = self.first.get(conversation_id)
        return first is None or seq < first


def veil_in(
    conn: Connection,
    horizons: Horizons,
    viewer_id: str,
    stored: Sequence[StoredMessage],
    asked: Iterable[str],
) -> Veil:
    """What covers `stored` and the messages that they answer; `asked` are conversations whose beginning for
    the viewer counts, beside those with answers."""
    ids = {message.message_id for message in stored}
    ids |= {message.quote.message_id for message in stored if message.quote is not None}
    places = {message.conversation_id for message in stored if message.quote is not None}.union(asked)
    return Veil(
        viewer_id,
        store.hidden_among(conn, viewer_id, ids) if ids else {},
        horizons.visible_from_in(conn, viewer_id, places) if places else {},
    )


def _bare(message: StoredMessage, at: int, by: str | None, reason: str | None) -> StoredMessage:
    return StoredMessage(
        message.message_id,
        message.conversation_id,
        message.seq,
        message.sender_id,
        message.client_message_id,
        "",
        message.is_encrypted,
        message.message_type,
        {},
        None,
        message.sent_at,
        sender_name=message.sender_name,
        thread_root_id=message.thread_root_id,
        deleted_at=at,
        deleted_by=by,
        delete_reason=reason,
    )
