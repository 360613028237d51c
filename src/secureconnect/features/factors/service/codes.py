"""Codes that people type: of an authenticator, or from the list that they put away."""

from typing import Literal

from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.features.auth.api import Entrance
from secureconnect.features.factors import rules, store
from secureconnect.infra.crypto.sealing import Sealer
from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.principal import RequestContext

__all__ = ["CodeMethod", "Codes", "Verdict", "wrong_code"]

CodeMethod = Literal["totp", "recovery_code"]
#: A replayed code was right before, so it is no guess.
Verdict = Literal["right", "replayed", "wrong"]


class Codes:
    """Checks codes and uses them up.

    TOTP secrets are stored sealed. Of recovery codes only fingerprints are stored, made with the master key:
    their 50 bits are plenty against guessing here, where five failures lock, but a plain hash of 50 bits is
    searched through in days by whoever steals the database.
    """

    def __init__(self, entrance: Entrance, audit: Audit, sealer: Sealer, clock: Clock) -> None:
        self._entrance = entrance
        self._audit = audit
        self._sealer = sealer
        self._clock = clock

    def prove_in(
        self, tx: WriteTx, user_id: str, context: RequestContext, method: CodeMethod, code: str
    ) -> Verdict:
        """Use up `code`. A refusal is recorded, and counts for the lock unless the code was replayed.

        Raises:
            ApiError: `ACCOUNT_LOCKED`; the code was not looked at.
        """
        self._entrance.unlocked_in(tx.conn, user_id, context)
        verdict = self._check_in(tx, user_id, method, code)
        if verdict == "right":
            if method == "recovery_code":
                self._audit.record_in(tx, _used(user_id, context))
        else:
            self._entrance.failed_in(
                tx, user_id, context, method=method, event="mfa_failed", guess=verdict == "wrong"
            )
        return verdict

    def enrol_in(self, tx: WriteTx, user_id: str, sealed: bytes, code: str) -> bool:
        """Store a secret whose owner can tell its code, which is used up by this; False for a wrong code.

        Raises:
            ApiError: `CONFLICT` when there is a secret already.
        """
        now = self._clock.now()
        steps = rules.matching_steps(self._unsealed(user_id, sealed), code, now)
        if steps:
            store.add_totp(tx, user_id, sealed, now=now, last_step=steps[-1])
        return bool(steps)

    def renew_in(self, tx: WriteTx, user_id: str) -> list[str]:
        """New recovery codes; the old ones stop working."""
        codes = [rules.new_recovery_code() for _ in range(rules.RECOVERY_CODES)]
        store.replace_recovery_codes(tx, user_id, [self._marks(user_id, code)[0] for code in codes])
        return codes

    def sealed(self, user_id: str, secret: str) -> bytes:
        """A TOTP secret as it is stored."""
        return self._sealer.seal(secret.encode(), f"totp:{user_id}")

    def _unsealed(self, user_id: str, sealed: bytes) -> str:
        return self._sealer.open(sealed, f"totp:{user_id}").decode()

    def _check_in(self, tx: WriteTx, user_id: str, method: CodeMethod, code: str) -> Verdict:
        if method == "totp":
            return self._check_totp_in(tx, user_id, code)
        marks = self._marks(user_id, code)
        if store.use_recovery_code(tx, user_id, marks, self._clock.now()):
            return "right"
        return "replayed" if store.is_recovery_code(tx.conn, user_id, marks) else "wrong"

    def _check_totp_in(self, tx: WriteTx, user_id: str, code: str) -> Verdict:
        row = store.totp(tx.conn, user_id)
        if row is None:
            return "wrong"
        steps = rules.matching_steps(self._unsealed(user_id, row.secret_enc), code, self._clock.now())
        if not steps:
            return "wrong"
        return "right" if store.use_step(tx, user_id, steps[-1]) else "replayed"

    def _marks(self, user_id: str, code: str) -> list[bytes]:
        normal = rules.normal_recovery_code(code)
        return self._sealer.fingerprints(normal.encode("utf-8", "surrogatepass"), f"recovery:{user_id}")


def wrong_code() -> ApiError:
    """The refusal of a code."""
    return ApiError(ErrorCode.MFA_INVALID, "The code is wrong, or was used before.")


def _used(user_id: str, context: RequestContext) -> AuditEntry:
    return AuditEntry(
        event="recovery_code_used",
        actor_id=user_id,
        target_type="user",
        target_id=user_id,
        context=context,
    )
