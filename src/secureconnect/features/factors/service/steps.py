"""Logins that wait for their second step."""

import hashlib

import msgspec
from sqlalchemy import Connection

from secureconnect.features.auth.api import Continued, FactorMethod, SecondStep
from secureconnect.features.factors import rules, store
from secureconnect.features.sessions.api import OneTimeTokens
from secureconnect.features.users.api import Users
from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.principal import RequestContext

__all__ = ["Pending", "Steps", "ended", "methods_in"]


class _Payload(msgspec.Struct):
    """`proof` names the password that the account had, `then` what is left to do afterwards."""

    proof: str
    device_name: str | None
    then: str | None = None


class Pending(msgspec.Struct, frozen=True):
    """A login whose first proof was right."""

    user_id: str
    device_name: str | None


class Steps:
    """Issues and redeems `mfa_token`s.

    Args:
        continued: hears of steps that are done and were asked for with `then`.
    """

    def __init__(self, users: Users, tokens: OneTimeTokens, continued: Continued | None = None) -> None:
        self._users = users
        self._tokens = tokens
        self._continued = continued

    def ask_in(
        self,
        tx: WriteTx,
        user_id: str,
        *,
        password_hash: str | None,
        device_name: str | None,
        then: str | None = None,
    ) -> SecondStep | None:
        methods = methods_in(tx.conn, user_id)
        if not methods:
            return None
        payload = msgspec.json.encode(_Payload(_proof(password_hash), device_name, then)).decode()
        token = self._tokens.issue_in(tx, "mfa", payload, user_id=user_id, seconds=rules.STEP_SECONDS)
        return SecondStep(token, methods, rules.STEP_SECONDS)

    def pending_in(self, conn: Connection, mfa_token: str) -> Pending | None:
        """The login behind a token; None when it is unknown, too old, used, had too many wrong codes, or when
        the password has changed since."""
        row = self._tokens.find_in(conn, "mfa", mfa_token)
        if row is None or row.user_id is None or row.attempts >= rules.WRONG_CODES:
            return None
        payload = msgspec.json.decode(row.payload, type=_Payload)
        record = self._users.many_in(conn, [row.user_id]).get(row.user_id)
        stored = self._users.password_hash_in(conn, row.user_id)
        if record is None or not record.active or _proof(stored) != payload.proof:
            return None
        return Pending(row.user_id, payload.device_name)

    def wrong_in(self, tx: WriteTx, mfa_token: str) -> None:
        """One wrong answer more."""
        self._tokens.failed_in(tx, "mfa", mfa_token)

    def done_in(self, tx: WriteTx, mfa_token: str, context: RequestContext) -> None:
        """The token is used up, and what the login had left to do is done."""
        taken = self._tokens.take_in(tx, "mfa", mfa_token)
        then = msgspec.json.decode(taken.payload, type=_Payload).then if taken is not None else None
        if taken is not None and taken.user_id is not None and then is not None:
            assert self._continued is not None, "whoever asks with `then` is there to continue"
            self._continued.continue_in(tx, taken.user_id, then, context)

    def void_in(self, tx: WriteTx, user_id: str) -> None:
        """Whoever waits starts again."""
        self._tokens.void_in(tx, "mfa", user_id)


def ended() -> ApiError:
    """The refusal of a token."""
    return ApiError(ErrorCode.INVALID_TOKEN, "The login has to start again from the beginning.")


def methods_in(conn: Connection, user_id: str) -> list[FactorMethod]:
    """What this user may give as second step; empty when there is no second factor.

    Recovery codes are no factor of their own: they stand in for a lost one.
    """
    methods: list[FactorMethod] = []
    if store.totp(conn, user_id) is not None:
        methods.append("totp")
    if store.count_passkeys(conn, user_id):
        methods.append("passkey")
    if methods and store.count_recovery_codes(conn, user_id):
        methods.append("recovery_code")
    return methods


def _proof(password_hash: str | None) -> str:
    return hashlib.sha256((password_hash or "").encode()).hexdigest()
