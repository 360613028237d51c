"""What goes along with messages that leave the log."""

from secureconnect.features.messages import store
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline.base import Trimmed

__all__ = ["MessagePurge"]


class MessagePurge:
    """Implements `conversations.api.Purged` for mentions, pins, followers of threads and what users hid."""

    def purged_in(self, tx: WriteTx, trimmed: Trimmed) -> None:
        store.forget_messages(tx, trimmed.conversation_id, trimmed.message_ids, trimmed.last_seq)
