"""What other features may do with sessions."""

from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import Struct
from sqlalchemy import Connection

from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.objects import Id
from secureconnect.kit.principal import Principal, RequestContext

__all__ = [
    "BotTokens",
    "OneTimeToken",
    "OneTimeTokens",
    "Purpose",
    "RevokeReason",
    "SessionEnds",
    "Sessions",
    "Tokens",
]

Purpose = Literal[
    "password_reset",
    "email_change",
    "email_verify",
    "ws_ticket",
    "mfa",
    "oidc_state",
    "oidc_code",
    "webauthn",
    "totp_setup",
]

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

    def active_users_in(self, conn: Connection, since: int) -> int:
        """How many users logged in or renewed their tokens at `since` (ms) or later."""

    def known_address_in(self, conn: Connection, user_id: str, ip: str) -> bool:
        """Whether the user ever had a session from this address."""

    def unfamiliar_in(
        self, conn: Connection, user_id: str, context: RequestContext, device_name: str | None
    ) -> bool:
        """Whether the user had sessions before, but none from this address and none on this device. A device
        is known by its name and its user agent together."""


class SessionEnds(Protocol):
    """Told of sessions that end before their time, by each feature that binds something to them."""

    def ended_in(self, tx: WriteTx, session_ids: Sequence[str]) -> None:
        """These sessions are revoked, in this transaction."""


class OneTimeToken(Struct, frozen=True):
    """A live single-use token: whom it concerns, the JSON that it carries, how often it failed."""

    user_id: str | None
    payload: str
    attempts: int


class OneTimeTokens(Protocol):
    """Single-use tokens, stored as hash. A token works only for the purpose that it was made for."""

    def issue_in(
        self,
        tx: WriteTx,
        purpose: Purpose,
        payload: str,
        *,
        user_id: str | None,
        seconds: int,
        token: str | None = None,
    ) -> str:
        """A new token of 256 random bits, good for `seconds`; `token` is used instead when given, for what
        is named by an id and not by a secret. `payload` is stored as it is: secrets in it are sealed."""

    def find_in(self, conn: Connection, purpose: Purpose, token: str) -> OneTimeToken | None:
        """The live token; None for unknown, used and expired ones, and those of another purpose."""

    def take_in(self, tx: WriteTx, purpose: Purpose, token: str) -> OneTimeToken | None:
        """Like `find_in`, and the token is used up by this: of two uses at once one gets None."""

    def failed_in(self, tx: WriteTx, purpose: Purpose, token: str) -> None:
        """Count a failure with this token."""

    def void_in(self, tx: WriteTx, purpose: Purpose, user_id: str) -> None:
        """The user's tokens of this purpose work no more."""


class BotTokens(Protocol):
    """Tokens of bots, which log in to no session; offered by `bots`."""

    def principal_in(self, conn: Connection, bot_id: str, token_id: str) -> Principal | None:
        """The bot with the live token `token_id`; None when it may not act any more."""
