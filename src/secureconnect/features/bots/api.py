"""What other features may do about bots."""

from typing import Protocol

from secureconnect.infra.database.base import WriteTx

__all__ = ["Bots"]


class Bots(Protocol):
    """Bots as far as they hang on the standing of their owners."""

    def shut_out_in(self, tx: WriteTx, user_id: str, close: int) -> None:
        """This user, a bot or the owner of some, was banned or deleted in this transaction.

        Once it commits, their open sockets close with the close code `close` and what is remembered of their
        tokens is asked anew. A bot is refused as long as it, or its owner, is banned or not active.
        """

    def retire_owned_in(self, tx: WriteTx, owner_id: str) -> int:
        """The bots of a user that is erased end for good; what they wrote stays. Returns how many."""
