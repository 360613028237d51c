"""The second step of a login, and step-up without a password."""

from typing import Any

from sqlalchemy import Connection

from secureconnect.features.auth.api import Entered, Entrance, SecondStep
from secureconnect.features.factors.service.assertions import Assertions
from secureconnect.features.factors.service.codes import CodeMethod, Codes, wrong_code
from secureconnect.features.factors.service.outcome import settled
from secureconnect.features.factors.service.steps import Steps, ended, methods_in
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.errors import ApiError
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["SecondFactorService"]


class SecondFactorService:
    """Implements `auth.api.SecondFactors`."""

    def __init__(
        self, database: Database, entrance: Entrance, steps: Steps, codes: Codes, assertions: Assertions
    ) -> None:
        self._database = database
        self._entrance = entrance
        self._steps = steps
        self._codes = codes
        self._assertions = assertions

    def ask_in(
        self,
        tx: WriteTx,
        user_id: str,
        *,
        password_hash: str | None,
        device_name: str | None,
        then: str | None = None,
    ) -> SecondStep | None:
        return self._steps.ask_in(
            tx, user_id, password_hash=password_hash, device_name=device_name, then=then
        )

    def needed_in(self, conn: Connection, user_id: str) -> bool:
        return bool(methods_in(conn, user_id))

    async def verify(self, context: RequestContext, mfa_token: str, method: CodeMethod, code: str) -> Entered:
        """Finish a login whose password was right with a code.

        Raises:
            ApiError: `INVALID_TOKEN` when the token is unknown, too old, used, or had five wrong codes;
                `MFA_INVALID`; `ACCOUNT_LOCKED`, `ACCOUNT_BANNED`, `EMAIL_NOT_VERIFIED`.
        """

        def work(tx: WriteTx) -> Entered | ApiError:
            pending = self._steps.pending_in(tx.conn, mfa_token)
            if pending is None:
                return ended()
            verdict = self._codes.prove_in(tx, pending.user_id, context, method, code)
            if verdict != "right":
                if verdict == "wrong":
                    self._steps.wrong_in(tx, mfa_token)
                return wrong_code()
            self._steps.done_in(tx, mfa_token, context)
            entered = self._entrance.admit_in(
                tx, pending.user_id, context, method=method, device_name=pending.device_name
            )
            assert entered is not None, "pending logins are those of active accounts"
            return entered

        waiting = await self._database.lookup(lambda conn: self._steps.pending_in(conn, mfa_token))
        with self._entrance.counted(method, context, waiting.user_id if waiting else None):
            return settled(await self._database.write(work))

    async def reauthenticate(
        self, caller: Principal, context: RequestContext, *, code: str | None, credential: Any
    ) -> int:
        if code is None:
            return await self._assertions.reauthenticate(caller, context, credential)
        typed = code

        def work(tx: WriteTx) -> int | ApiError:
            if self._codes.prove_in(tx, caller.user_id, context, "totp", typed) != "right":
                return wrong_code()
            return self._entrance.proved_in(tx, caller, context, "totp")

        with self._entrance.counted("totp", context, caller.user_id):
            return settled(await self._database.write(work))
