"""Logging in and stepping up with a passkey."""

import asyncio
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import Connection

from secureconnect.features.auth.api import Entered, Entrance
from secureconnect.features.factors import store
from secureconnect.features.factors.service.challenges import Challenge, Challenges
from secureconnect.features.factors.service.outcome import settled
from secureconnect.features.factors.service.relying_party import (
    Refused,
    RelyingParty,
    challenge_id_of,
    raw_id,
)
from secureconnect.features.factors.service.steps import Steps, ended
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.ids import new_id
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["Assertions"]

log = get_logger()
_METHOD: Final = "passkey"


class _Fault(NamedTuple):
    """Why an assertion is refused. An answer to no living challenge proves and guesses nothing."""

    reason: str
    guess: bool = True


class _Checked(NamedTuple):
    """What was found out about an assertion before anything is written: its counter, or a fault."""

    challenge_id: str
    credential_id: bytes
    passkey: store.Passkey | None
    outcome: int | _Fault


class Assertions:
    """Checks what passkeys signed. One with user verification counts as both factors."""

    def __init__(
        self,
        database: Database,
        entrance: Entrance,
        relying_party: RelyingParty,
        challenges: Challenges,
        steps: Steps,
        clock: Clock,
    ) -> None:
        self._database = database
        self._entrance = entrance
        self._relying_party = relying_party
        self._challenges = challenges
        self._steps = steps
        self._clock = clock

    async def begin(self) -> tuple[str, dict[str, Any]]:
        """Id of a new challenge, and the options for `navigator.credentials.get`."""
        challenge_id, challenge = await self._database.write(self._challenges.issue_in)
        return challenge_id, await asyncio.to_thread(self._relying_party.request_options, challenge)

    async def log_in(
        self,
        context: RequestContext,
        *,
        challenge_id: str,
        credential: dict[str, Any],
        mfa_token: str | None,
        device_name: str | None,
    ) -> Entered:
        """A new session for whom the passkey belongs to; with `mfa_token`, to the one who waits with it.

        Raises:
            ApiError: `INVALID_CREDENTIALS` for everything wrong with the challenge, the passkey or its
                account; `INVALID_TOKEN`; `ACCOUNT_LOCKED`, `ACCOUNT_BANNED`, `EMAIL_NOT_VERIFIED`.
        """
        checked = await self._check(challenge_id, credential)
        owner_id = checked.passkey.user_id if checked.passkey else None

        def work(tx: WriteTx) -> Entered | ApiError:
            pending = self._steps.pending_in(tx.conn, mfa_token) if mfa_token else None
            if mfa_token and pending is None:
                return ended()
            user_id = pending.user_id if pending else owner_id
            fault = self._use_in(tx, checked, user_id)
            if fault is None and user_id is not None:
                device = device_name or (pending.device_name if pending else None)
                entered = self._entrance.admit_in(tx, user_id, context, method=_METHOD, device_name=device)
                if entered is not None:
                    if mfa_token:
                        self._steps.done_in(tx, mfa_token, context)
                    return entered
            fault = fault or _Fault("account not active")
            if mfa_token and fault.guess:
                self._steps.wrong_in(tx, mfa_token)
            return self._refused_in(
                tx, user_id, context, checked, fault, "mfa_failed" if pending else "login_failed"
            )

        with self._entrance.counted(_METHOD, context, owner_id):
            return settled(await self._database.write(work))

    async def reauthenticate(
        self, caller: Principal, context: RequestContext, credential: dict[str, Any]
    ) -> int:
        """Prove again who holds this session, with a passkey of the caller and a challenge to log in.

        Raises:
            ApiError: `INVALID_CREDENTIALS`, `ACCOUNT_LOCKED`.
        """
        # A credential names its challenge; one that names none is refused like one that names a wrong one.
        checked = await self._check(challenge_id_of(credential) or new_id(), credential)

        def work(tx: WriteTx) -> int | ApiError:
            fault = self._use_in(tx, checked, caller.user_id)
            if fault is not None:
                return self._refused_in(tx, caller.user_id, context, checked, fault, "login_failed")
            return self._entrance.proved_in(tx, caller, context, _METHOD)

        with self._entrance.counted(_METHOD, context, caller.user_id):
            return settled(await self._database.write(work))

    async def _check(self, challenge_id: str, credential: dict[str, Any]) -> _Checked:
        """Everything that can be said without writing."""
        try:
            credential_id = raw_id(credential)
        except Refused as refused:
            return _Checked(challenge_id, b"", None, _Fault(str(refused)))

        def query(conn: Connection) -> tuple[Challenge | None, store.Passkey | None]:
            return (
                self._challenges.find_in(conn, challenge_id),
                store.passkey_by_credential(conn, credential_id),
            )

        challenge, passkey = await self._database.lookup(query)
        outcome: int | _Fault
        if challenge is None:
            outcome = _Fault("no such challenge", guess=False)
        elif passkey is None:
            outcome = _Fault("unknown passkey")
        else:
            try:
                outcome = await asyncio.to_thread(
                    self._relying_party.verify_assertion,
                    credential,
                    challenge.challenge,
                    passkey.public_key,
                    passkey.user_id,
                )
            except Refused as refused:
                log.info("passkey refused", reason=str(refused))
                outcome = _Fault("wrong answer to the challenge")
        return _Checked(challenge_id, credential_id, passkey, outcome)

    def _use_in(self, tx: WriteTx, checked: _Checked, user_id: str | None) -> _Fault | None:
        """Use up the challenge, and let the passkey of this user move on; or why not."""
        if self._challenges.take_in(tx, checked.challenge_id) is None:
            return _Fault("no such challenge", guess=False)
        if isinstance(checked.outcome, _Fault):
            return checked.outcome
        passkey = store.passkey_by_credential(tx.conn, checked.credential_id)
        if passkey is None or passkey.user_id != user_id:
            return _Fault("passkey of somebody else")
        # Authenticators that do not count say 0 for ever.
        if (checked.outcome or passkey.sign_count) and checked.outcome <= passkey.sign_count:
            return _Fault("sign counter went back")
        store.use_passkey(tx, passkey.passkey_id, checked.outcome, self._clock.now())
        return None

    def _refused_in(
        self,
        tx: WriteTx,
        user_id: str | None,
        context: RequestContext,
        checked: _Checked,
        fault: _Fault,
        event: Literal["login_failed", "mfa_failed"],
    ) -> ApiError:
        """Count and record the refusal; unknown passkeys lock like unknown names."""
        self._entrance.failed_in(
            tx,
            user_id,
            context,
            method=_METHOD,
            typed=checked.credential_id.hex(),
            event=event,
            reason=fault.reason,
            guess=fault.guess,
        )
        return ApiError(ErrorCode.INVALID_CREDENTIALS, "The passkey is not valid.")
