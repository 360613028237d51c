"""What other features may do with logins."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Literal, NamedTuple, Protocol

from sqlalchemy import Connection

from secureconnect.features.sessions.api import Tokens
from secureconnect.features.users.api import UserRecord
from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["Bar", "Entered", "Entrance", "LoginMethod"]

LoginMethod = Literal["password", "totp", "recovery_code", "passkey", "oidc"]
#: Keeps out who proved to be this user: raises ApiError `ACCOUNT_BANNED` or `EMAIL_NOT_VERIFIED`.
Bar = Callable[[Connection, UserRecord], None]


class Entered(NamedTuple):
    """Somebody is in: the account, and the tokens of its new session."""

    record: UserRecord
    tokens: Tokens


class Entrance(Protocol):
    """Where every login and step-up ends, however it was proved: one way to start a session, to count a
    failure, to say no.
    """

    def counted(
        self, method: LoginMethod, context: RequestContext, user_id: str | None = None
    ) -> AbstractContextManager[None]:
        """Around the unit of work: counts an attempt that was refused without a look at its proof (locked,
        banned, unverified). The other outcomes count themselves when they commit."""

    def unlocked_in(self, conn: Connection, user_id: str | None, context: RequestContext) -> None:
        """Raises ApiError `ACCOUNT_LOCKED` while a lock holds for this account and address."""

    def admit_in(
        self,
        tx: WriteTx,
        user_id: str,
        context: RequestContext,
        *,
        method: LoginMethod,
        device_name: str | None,
    ) -> Entered | None:
        """Start a session for who proved to be this user; None when the account is not active.

        The count of failures starts anew.

        Raises:
            ApiError: `ACCOUNT_LOCKED`, `ACCOUNT_BANNED`, `EMAIL_NOT_VERIFIED`.
        """

    def proved_in(self, tx: WriteTx, caller: Principal, context: RequestContext, method: LoginMethod) -> int:
        """The caller proved again who holds its session (step-up); returns the time (ms).

        Raises:
            ApiError: `ACCOUNT_LOCKED`.
        """

    def failed_in(
        self,
        tx: WriteTx,
        user_id: str | None,
        context: RequestContext,
        *,
        method: LoginMethod,
        typed: str = "",
        event: Literal["login_failed", "mfa_failed"] = "login_failed",
        reason: str | None = None,
    ) -> None:
        """Count a wrong proof for this account and address, under what was `typed` when there is no account.

        Raises:
            ApiError: `ACCOUNT_LOCKED`, and nothing is counted.
        """
