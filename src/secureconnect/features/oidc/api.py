"""What other features may do with the links between accounts and providers."""

from typing import Protocol

from sqlalchemy import Connection

from secureconnect.infra.database.base import WriteTx

__all__ = ["Identities"]


class Identities(Protocol):
    """Who is who at the providers."""

    def providers_of_in(self, conn: Connection, user_id: str) -> list[tuple[str, int]]:
        """Provider and time (ms) of each link of an account, oldest first; for its export."""

    def forget_in(self, tx: WriteTx, user_id: str) -> None:
        """Remove the links of an account that is being erased."""
