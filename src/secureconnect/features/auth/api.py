"""What other features may do with logins, and what auth asks of second factors."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Annotated, Any, Literal, NamedTuple, Protocol

from msgspec import Meta, Struct, field
from sqlalchemy import Connection

from secureconnect.features.mail.api import FactorChange
from secureconnect.features.sessions.api import Tokens
from secureconnect.features.users.api import User, UserRecord, Users
from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.objects import Id
from secureconnect.kit.principal import Principal, RequestContext

__all__ = [
    "Alerts",
    "Assertion",
    "AssertionCredential",
    "AuthResult",
    "Bar",
    "Continued",
    "Entered",
    "Entrance",
    "FactorMethod",
    "LoginMethod",
    "MfaRequired",
    "Passwords",
    "SecondFactors",
    "SecondStep",
    "auth_result",
    "login_result",
]

FactorMethod = Literal["totp", "recovery_code", "passkey"]
LoginMethod = Literal["password", "totp", "recovery_code", "passkey", "oidc"]
#: Keeps out who proved to be this user: raises ApiError `ACCOUNT_BANNED` or `EMAIL_NOT_VERIFIED`.
Bar = Callable[[Connection, UserRecord], None]
_Encoded = Annotated[str, Meta(min_length=1, max_length=131_072, extra={"clean": "opaque"})]


class Entered(NamedTuple):
    """Somebody is in: the account, and the tokens of its new session."""

    record: UserRecord
    tokens: Tokens


class SecondStep(Struct, frozen=True):
    """The first proof was right, and the login goes on with `mfa_token` and one of `methods`.

    `expires_in` is in seconds.
    """

    mfa_token: str
    methods: list[FactorMethod]
    expires_in: int


class AuthResult(Struct, frozen=True, kw_only=True):
    """A user with the tokens of a new session."""

    user: User
    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    session_id: Id


class MfaRequired(Struct, frozen=True, kw_only=True):
    """The first proof was right; no session before one of the methods, within `expires_in` seconds."""

    mfa_required: Literal[True] = True
    mfa_token: str
    methods: list[FactorMethod]
    expires_in: int


async def auth_result(users: Users, entered: Entered) -> AuthResult:
    """What the end of a login answers."""
    tokens = entered.tokens
    return AuthResult(
        user=await users.itself(entered.record),
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        token_type=tokens.token_type,
        expires_in=tokens.expires_in,
        session_id=tokens.session_id,
    )


async def login_result(users: Users, outcome: Entered | SecondStep) -> AuthResult | MfaRequired:
    """What a login answers whose proof may not be enough."""
    if isinstance(outcome, SecondStep):
        return MfaRequired(
            mfa_token=outcome.mfa_token, methods=outcome.methods, expires_in=outcome.expires_in
        )
    return await auth_result(users, outcome)


class Assertion(Struct):
    """What an authenticator signed (WebAuthn level 3, §5.1): base64url without padding."""

    client_data_json: _Encoded = field(name="clientDataJSON")
    authenticator_data: _Encoded = field(name="authenticatorData")
    signature: _Encoded
    user_handle: _Encoded | None = field(name="userHandle", default=None)


class AssertionCredential(Struct):
    """`AuthenticationResponseJSON`; the rest of it is not read."""

    id: _Encoded
    type: Literal["public-key"]
    response: Assertion
    raw_id: _Encoded = field(name="rawId")


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

    def allowed_in(self, conn: Connection, record: UserRecord) -> None:
        """Ask everything that may keep out who proved to be this user; `admit_in` does so by itself.

        Raises:
            ApiError: `ACCOUNT_BANNED`, `EMAIL_NOT_VERIFIED`.
        """

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

    def proved_in(
        self,
        tx: WriteTx,
        caller: Principal,
        context: RequestContext,
        method: LoginMethod,
        *,
        forgives: bool = True,
    ) -> int:
        """The caller proved again who holds its session (step-up); returns the time (ms).

        Args:
            forgives: the count of failures starts anew, as after a login.

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
        guess: bool = True,
    ) -> None:
        """Count a wrong proof for this account and address, under what was `typed` when there is no account.
        What is no `guess`, but a proof used twice, is recorded and does not bring a lock nearer.

        Raises:
            ApiError: `ACCOUNT_LOCKED`, and nothing is counted.
        """


class Continued(Protocol):
    """What a login still has to do when its second step is done; offered by whoever asked for the step."""

    def continue_in(self, tx: WriteTx, user_id: str, then: str, context: RequestContext) -> None:
        """The step that was asked for with `then` is done."""


class Alerts(Protocol):
    """Tells the owner of an account, by mail and by a `security` notification, what happened to it."""

    def factor_changed_in(self, tx: WriteTx, user_id: str, change: FactorChange) -> None:
        """Something about the second factor is different now."""


class SecondFactors(Protocol):
    """What an account needs besides its password, or besides single sign-on."""

    def ask_in(
        self,
        tx: WriteTx,
        user_id: str,
        *,
        password_hash: str | None,
        device_name: str | None,
        then: str | None = None,
    ) -> SecondStep | None:
        """What a right first proof leads to; None when the account has no second factor.

        The step works only while `password_hash` stays the stored one; None for an account without password.
        `then` is handed to `Continued` once the step is done.
        """

    def needed_in(self, conn: Connection, user_id: str) -> bool:
        """Whether a password alone does not let this user in."""

    async def reauthenticate(
        self, caller: Principal, context: RequestContext, *, code: str | None, credential: Any
    ) -> int:
        """Prove again who holds this session, by a TOTP code or the assertion of a passkey (exactly one);
        returns the time (ms).

        Raises:
            ApiError: `MFA_INVALID`, `INVALID_CREDENTIALS`, `ACCOUNT_LOCKED`.
        """


class Passwords(Protocol):
    """New passwords, for whoever makes accounts (docs/reference/rules.md §1)."""

    def fault(self, password: str, *, username: str, email: str) -> str | None:
        """Why `password` (NFC) is refused, without repeating it, or None."""

    async def hash(self, password: str) -> str:
        """What is stored of it; takes its turn with all other hashes.

        Raises:
            ApiError: `SERVICE_UNAVAILABLE` when too many wait.
        """
