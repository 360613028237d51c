"""What reports need from messages."""

from typing import Protocol

from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["MessageRemoval"]


class MessageRemoval(Protocol):
    """Deletes what somebody said; offered by `messages`."""

    def delete_as_moderator_in(
        self, tx: WriteTx, message_id: str, moderator: Principal, context: RequestContext
    ) -> None:
        """Delete a message for everybody, with reason `moderator`, and audit it as the server admin's deed.

        One that is deleted already, or whose conversation is gone, stays as it is.
        """
