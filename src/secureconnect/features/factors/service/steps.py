"""Logins that wait for their second step."""

import hashlib

import msgspec
from sqlalchemy import Connection

from secureconnect.features.auth.api import FactorMethod, SecondStep
from secureconnect.features.factors import rules, store
from secureconnect.features.sessions.api import OneTimeTokens
from secureconnect.features.users.api import Users
from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["Pending", "Steps", "ended", "methods_in"]


class _Payload(msgspec.Struct):
    """`proof` names the password that was right."""

    proof: str
    device_name: str | None


class Pending(msgspec.Struct, frozen=True):
    """A login whose password was right."""

    user_id: str
    device_name: str | None


class Steps:
    """Issues and redeems `mfa_token`s."""

    def __init__(self, users: Users, tokens: OneTimeTokens) -> None:
        self._users = users
        self._tokens = tokens

    def ask_in(
        self, tx: WriteTx, user_id: str, *, password_hash: str, device_name: str | None
    ) -> SecondStep | None:
        methods = methods_in(tx.conn, user_id)
        if not methods:
            return None
        payload = msgspec.json.encode(_Payload(_proof(password_hash), device_name)).decode()
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
        if record is None or not record.active or stored is None or _proof(stored) != payload.proof:
            return None
        return Pending(row.user_id, payload.device_name)

    def wrong_in(self, tx: WriteTx, mfa_token: str) -> None:
        """One wrong answer more."""
        self._tokens.failed_in(tx, "mfa", mfa_token)

    def done_in(self, tx: WriteTx, mfa_token: str) -> None:
        """The token is used up."""
        self._tokens.take_in(tx, "mfa", mfa_token)

    def void_in(self, tx: WriteTx, user_id: str) -> None:
        """Whoever waits starts again."""
        self._tokens.void_in(tx, "mfa", user_id)


def ended() -> ApiError:
    """The refusal of a token."""
    return ApiError(ErrorCode.INVALID_TOKEN, "The login has to start again with the password.")


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


def _proof(password_hash: str) -> str:
    return hashlib.sha256(password_hash.encode()).hexdigest()
