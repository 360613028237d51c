"""What other features may do with sessions."""

from typing import Literal, Protocol

from msgspec import Struct
from sqlalchemy import Connection

from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.objects import Id
from secureconnect.kit.principal import RequestContext

__all__ = ["RevokeReason", "Sessions", "Tokens"]

RevokeReason = Literal["logout", "revoked", "password", "reuse", "ban", "deleted", "admin", "expired"]


class Tokens(Struct, frozen=True, kw_only=True):
    """A fresh pair of tokens."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the type's name (RFC 6750), not a secret
    expires_in: int
    session_id: Id


class Sessions(Protocol):
    """Starts and ends sessions."""

    def start_in(
        self,
        tx: WriteTx,
        user_id: str,
        role: Literal["user", "admin"],
        context: RequestContext,
        *,
        device_name: str | None,
        now: int,
    ) -> Tokens:
        """A new session; over `auth.max_sessions` the longest unused one is revoked."""

    def revoke_all_in(
        self, tx: WriteTx, user_id: str, reason: RevokeReason, *, but: str | None = None, now: int
    ) -> list[str]:
        """Revoke every live session of the user except `but`; takes effect on open sockets after commit.
        Returns their ids."""

    def authenticated_in(self, tx: WriteTx, session_id: str, now: int) -> None:
        """Remember that the session proved its owner again (step-up)."""

    def known_address_in(self, conn: Connection, user_id: str, ip: str) -> bool:
        """Whether the user ever had a session from this address."""
