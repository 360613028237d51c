"""Switching TOTP on and off, and recovery codes."""

import base64
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection

from secureconnect.features.auth.api import Entrance
from secureconnect.features.factors import rules, store
from secureconnect.features.factors.service.changes import Changes
from secureconnect.features.factors.service.codes import Codes, wrong_code
from secureconnect.features.factors.service.outcome import settled
from secureconnect.features.factors.service.steps import methods_in
from secureconnect.features.sessions.api import OneTimeTokens
from secureconnect.features.users.api import Users
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["Enrolment", "Overview", "Setup"]


class Overview(NamedTuple):
    """What an account has."""

    totp_enabled: bool
    passkey_count: int
    recovery_codes_left: int


class Setup(NamedTuple):
    """A secret for an authenticator, as text and as its QR code says it."""

    secret: str
    otpauth_uri: str


class _Payload(msgspec.Struct):
    """A secret that waits for its first code; `sealed` is base64."""

    sealed: str


class Enrolment:
    """Own TOTP and recovery codes."""

    def __init__(
        self,
        database: Database,
        users: Users,
        tokens: OneTimeTokens,
        entrance: Entrance,
        codes: Codes,
        changes: Changes,
    ) -> None:
        self._database = database
        self._users = users
        self._tokens = tokens
        self._entrance = entrance
        self._codes = codes
        self._changes = changes

    async def overview(self, caller: Principal) -> Overview:
        """What the caller has."""

        def query(conn: Connection) -> Overview:
            return Overview(
                store.totp(conn, caller.user_id) is not None,
                store.count_passkeys(conn, caller.user_id),
                store.count_recovery_codes(conn, caller.user_id),
            )

        return await self._database.lookup(query)

    async def set_up(self, caller: Principal) -> Setup:
        """A new secret, which counts once its first code is told in the same session; an earlier one that
        waits for that is gone.

        Raises:
            ApiError: `CONFLICT` when TOTP is on.
        """
        secret = rules.new_secret()
        record = await self._users.get(caller.user_id)
        assert record is not None

        def work(tx: WriteTx) -> None:
            if store.totp(tx.conn, caller.user_id) is not None:
                raise ApiError(ErrorCode.CONFLICT, "TOTP is on already.")
            sealed = base64.b64encode(self._codes.sealed(caller.user_id, secret)).decode()
            payload = msgspec.json.encode(_Payload(sealed)).decode()
            self._tokens.void_in(tx, "totp_setup", caller.user_id)
            self._tokens.issue_in(
                tx,
                "totp_setup",
                payload,
                user_id=caller.user_id,
                seconds=rules.SETUP_SECONDS,
                token=_setup_of(caller),
            )

        await self._database.write(work)
        return Setup(secret, rules.otpauth_uri(secret, record.email))

    async def confirm(self, caller: Principal, context: RequestContext, code: str) -> list[str]:
        """Switch TOTP on with the first code of the new secret; returns new recovery codes.

        Raises:
            ApiError: `MFA_INVALID`, or `NOT_FOUND` when this session has set up nothing.
        """

        def work(tx: WriteTx) -> list[str] | ApiError:
            waiting = self._tokens.find_in(tx.conn, "totp_setup", _setup_of(caller))
            if waiting is None:
                raise ApiError(ErrorCode.NOT_FOUND, "No secret waits for its first code.")
            sealed = base64.b64decode(msgspec.json.decode(waiting.payload, type=_Payload).sealed)
            if not self._codes.enrol_in(tx, caller.user_id, sealed, code):
                # No guess at anything: who may try was shown the secret.
                raise ApiError(ErrorCode.MFA_INVALID, "The code does not belong to the new secret.")
            self._tokens.void_in(tx, "totp_setup", caller.user_id)
            self._changes.made_in(tx, caller, context, "totp_enabled")
            return self._codes.renew_in(tx, caller.user_id)

        return settled(await self._database.write(work))

    async def switch_off(self, caller: Principal, context: RequestContext, code: str) -> None:
        """Switch TOTP off with a code of it, or with a recovery code.

        Raises:
            ApiError: `NOT_FOUND` when it is off, `MFA_INVALID`, `ACCOUNT_LOCKED`.
        """
        method = rules.method_of(code)

        def work(tx: WriteTx) -> ApiError | None:
            if store.totp(tx.conn, caller.user_id) is None:
                raise ApiError(ErrorCode.NOT_FOUND, "TOTP is off.")
            if self._codes.prove_in(tx, caller.user_id, context, method, code) != "right":
                return wrong_code()
            store.remove_totp(tx, caller.user_id)
            self._changes.removed_in(tx, caller, context, "totp_disabled")
            return None

        with self._entrance.counted(method, context, caller.user_id):
            settled(await self._database.write(work))

    async def renew(self, caller: Principal, context: RequestContext) -> list[str]:
        """New recovery codes; the old ones stop working.

        Raises:
            ApiError: `NOT_FOUND` when there is no second factor.
        """

        def work(tx: WriteTx) -> list[str]:
            if not methods_in(tx.conn, caller.user_id):
                raise ApiError(ErrorCode.NOT_FOUND, "There is no second factor.")
            self._changes.made_in(tx, caller, context, "recovery_codes_renewed")
            return self._codes.renew_in(tx, caller.user_id)

        return await self._database.write(work)


def _setup_of(caller: Principal) -> str:
    """What a waiting secret is found by: only the session that was shown it may confirm it."""
    return f"{caller.user_id}:{caller.session_id}"
