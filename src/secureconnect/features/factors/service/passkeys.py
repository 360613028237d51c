"""Own passkeys: registering, naming, removing."""

import asyncio
from typing import Any

from sqlalchemy import Connection

from secureconnect.features.factors import rules, store
from secureconnect.features.factors.service.challenges import Challenge, Challenges
from secureconnect.features.factors.service.changes import Changes
from secureconnect.features.factors.service.outcome import settled
from secureconnect.features.factors.service.relying_party import Refused, Registered, RelyingParty
from secureconnect.features.users.api import Users
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode, invalid
from secureconnect.kit.ids import new_id
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["Passkeys"]

log = get_logger()


class Passkeys:
    """The passkeys of an account."""

    def __init__(
        self,
        database: Database,
        users: Users,
        relying_party: RelyingParty,
        challenges: Challenges,
        changes: Changes,
        clock: Clock,
    ) -> None:
        self._database = database
        self._users = users
        self._relying_party = relying_party
        self._challenges = challenges
        self._changes = changes
        self._clock = clock

    async def begin(self, caller: Principal) -> tuple[str, dict[str, Any]]:
        """Id of a new challenge, and the options for `navigator.credentials.create`.

        Raises:
            ApiError: `LIMIT_REACHED`.
        """
        record = await self._users.get(caller.user_id)
        assert record is not None

        def work(tx: WriteTx) -> tuple[str, bytes, list[bytes]]:
            known = [row.credential_id for row in store.passkeys_of(tx.conn, caller.user_id)]
            if len(known) >= rules.MAX_PASSKEYS:
                raise _full()
            return *self._challenges.issue_in(tx, caller), known

        challenge_id, challenge, known = await self._database.write(work)
        options = await asyncio.to_thread(
            self._relying_party.creation_options,
            challenge,
            caller.user_id,
            record.email,
            record.display_name,
            known,
        )
        return challenge_id, options

    async def finish(
        self,
        caller: Principal,
        context: RequestContext,
        *,
        challenge_id: str,
        credential: dict[str, Any],
        name: str,
    ) -> store.Passkey:
        """Keep the credential that answers a challenge of this session.

        Raises:
            ApiError: `NOT_FOUND` for the challenge, `VALIDATION_ERROR` on `credential`, `LIMIT_REACHED`.
        """
        challenge = await self._database.lookup(
            lambda conn: self._challenges.find_in(conn, challenge_id, caller)
        )
        if challenge is None:
            raise _unknown()
        made = await self._verify(challenge, credential)
        now = self._clock.now()

        def work(tx: WriteTx) -> store.Passkey | ApiError:
            if self._challenges.take_in(tx, challenge_id, caller) is None:
                raise _unknown()
            if isinstance(made, ApiError):
                return made
            if store.passkey_by_credential(tx.conn, made.credential_id) is not None:
                return invalid("credential", "is registered already")
            if store.count_passkeys(tx.conn, caller.user_id) >= rules.MAX_PASSKEYS:
                return _full()
            passkey = store.Passkey(
                passkey_id=new_id(),
                user_id=caller.user_id,
                credential_id=made.credential_id,
                public_key=made.public_key,
                sign_count=made.sign_count,
                name=name,
                created_at=now,
                last_used_at=None,
            )
            store.add_passkey(tx, passkey)
            self._changes.made_in(tx, caller, context, "passkey_added", passkey_id=passkey.passkey_id)
            return passkey

        return settled(await self._database.write(work))

    async def list(self, caller: Principal) -> list[store.Passkey]:
        """Those of the caller, oldest first."""

        def query(conn: Connection) -> list[store.Passkey]:
            return store.passkeys_of(conn, caller.user_id)

        return await self._database.lookup(query)

    async def rename(self, caller: Principal, passkey_id: str, name: str) -> store.Passkey:
        """Name one of the caller's passkeys.

        Raises:
            ApiError: `NOT_FOUND`.
        """
        renamed = await self._database.write(
            lambda tx: store.rename_passkey(tx, caller.user_id, passkey_id, name)
        )
        if renamed is None:
            raise ApiError(ErrorCode.NOT_FOUND, "There is no such passkey.")
        return renamed

    async def remove(self, caller: Principal, context: RequestContext, passkey_id: str) -> None:
        """Remove one of the caller's passkeys.

        Raises:
            ApiError: `NOT_FOUND`.
        """

        def work(tx: WriteTx) -> None:
            if not store.remove_passkey(tx, caller.user_id, passkey_id):
                raise ApiError(ErrorCode.NOT_FOUND, "There is no such passkey.")
            self._changes.removed_in(tx, caller, context, "passkey_removed", passkey_id=passkey_id)

        await self._database.write(work)

    async def _verify(self, challenge: Challenge, credential: dict[str, Any]) -> Registered | ApiError:
        try:
            return await asyncio.to_thread(
                self._relying_party.verify_registration, credential, challenge.challenge
            )
        except Refused as refused:
            log.info("passkey refused", reason=str(refused))
            return invalid("credential", "does not answer the challenge as it should")


def _full() -> ApiError:
    return ApiError(ErrorCode.LIMIT_REACHED, f"At most {rules.MAX_PASSKEYS} passkeys.")


def _unknown() -> ApiError:
    return ApiError(ErrorCode.NOT_FOUND, "There is no such challenge.")
