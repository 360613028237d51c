"""What other features may do with the second factors of an account."""

from collections.abc import Collection
from typing import Protocol

from sqlalchemy import Connection

from secureconnect.infra.database.base import WriteTx

__all__ = ["Factors"]


class Factors(Protocol):
    """Second factors as the rest of the product sees them."""

    def having_in(self, conn: Connection, user_ids: Collection[str]) -> set[str]:
        """Those of `user_ids` who have a second factor."""

    def reset_in(self, tx: WriteTx, user_id: str) -> bool:
        """Switch every second factor off for somebody who lost it: TOTP, recovery codes and passkeys, logins
        and set-ups under way. All sessions end and the owner is told. False when there was no factor, and
        nothing happens. The audit record (`admin_mfa_reset`) is the caller's."""

    def forget_in(self, tx: WriteTx, user_id: str) -> None:
        """Remove everything of an account that is being erased."""

    def passkey_names_in(self, conn: Connection, user_id: str) -> list[tuple[str, int, int | None]]:
        """Name, creation and last use (ms) of each passkey, oldest first; for the export of an account."""
