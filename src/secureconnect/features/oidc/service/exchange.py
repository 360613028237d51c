"""A session for whoever a provider vouched for."""

import hmac
from typing import Protocol

import msgspec
from sqlalchemy import Connection

from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.features.auth.api import Entered, Entrance, SecondFactors, SecondStep
from secureconnect.features.oidc import rules, store
from secureconnect.features.oidc.service.links import Link, Links
from secureconnect.features.oidc.service.tickets import OidcTickets, Proof
from secureconnect.features.users.api import NewUser, UserRecord, Users
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.openid.base import Identity
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, Detail, ErrorCode
from secureconnect.kit.ids import new_id
from secureconnect.kit.principal import RequestContext

__all__ = ["Exchange"]


class SuccessMetrics(Protocol):
    """Counts logins."""

    def authenticated(self, method: str) -> None:
        """One success."""

    def authentication_failed(self, method: str, reason: str) -> None:
        """One failure."""


class _Refusal(Exception):
    """Nobody gets in, the code is used up, and this is recorded."""

    def __init__(self, error: ApiError, reason: str, user_id: str | None = None) -> None:
        self.error = error
        self.reason = reason
        self.user_id = user_id


class Exchange:
    """Turns the code of a finished login at a provider into a session: of the account that is linked to this
    person, of the one whose verified address the provider vouches for, or of a new one.

    Args:
        signup: whether people without account get one.
    """

    def __init__(
        self,
        database: Database,
        users: Users,
        entrance: Entrance,
        factors: SecondFactors,
        links: Links,
        tickets: OidcTickets,
        audit: Audit,
        metrics: SuccessMetrics,
        clock: Clock,
        *,
        signup: bool,
    ) -> None:
        self._database = database
        self._users = users
        self._entrance = entrance
        self._factors = factors
        self._links = links
        self._tickets = tickets
        self._audit = audit
        self._metrics = metrics
        self._clock = clock
        self._signup = signup

    async def exchange(
        self, context: RequestContext, *, code: str, verifier: str | None, device_name: str | None
    ) -> Entered | SecondStep:
        """A new session, or what is still missing.

        Raises:
            ApiError: `INVALID_TOKEN`; `INVALID_CREDENTIALS` for a deleted account; `CONFLICT` when the
                address has an account that did not verify it; `FEATURE_DISABLED` without account and sign-up;
                `ACCOUNT_LOCKED`, `ACCOUNT_BANNED`, `EMAIL_NOT_VERIFIED`.
        """

        def work(tx: WriteTx) -> Entered | SecondStep | ApiError:
            proof = self._tickets.take_in(tx, code)
            if proof is None or not _belongs(proof, verifier):
                # Returned and not raised: a code that was tried with a wrong verifier is used up.
                return ApiError(ErrorCode.INVALID_TOKEN, "The code is unknown, used, or over 60 seconds old.")
            try:
                return self._enter_in(tx, proof, device_name, context)
            except _Refusal as refusal:
                self._refused_in(tx, refusal, proof.provider, context)
                return refusal.error

        known = await self._database.lookup(lambda conn: self._whose(conn, code))
        with self._entrance.counted("oidc", context, known):
            try:
                outcome = await self._database.write(work)
            except store.Raced:  # the same person in another window: now there is an account
                outcome = await self._database.write(work)
            if isinstance(outcome, ApiError):
                raise outcome
        return outcome

    def _whose(self, conn: Connection, code: str) -> str | None:
        """Whose account a code leads to, as far as that is known by now."""
        proof = self._tickets.find_in(conn, code)
        return self._links.owner_in(conn, _link(proof)) if proof is not None else None

    def _enter_in(
        self, tx: WriteTx, proof: Proof, device_name: str | None, context: RequestContext
    ) -> Entered | SecondStep:
        owner_id = self._links.owner_in(tx.conn, _link(proof))
        if owner_id is not None:
            record, link = self._living(self._users.many_in(tx.conn, [owner_id]).get(owner_id)), None
            self._adopt_in(tx, record, proof.identity, context)
        else:
            link = _link(proof)
            found = self._by_address(tx.conn, proof.identity)
            if found is None:
                return self._welcome_in(tx, link, proof.identity, device_name, context)
            record = found
        step = self._step_in(tx, record, link, device_name, context)
        if step is not None:
            return step
        if link is not None:
            self._links.add_in(tx, link, record.user_id, context)
        return self._admit_in(tx, record.user_id, device_name, context)

    def _living(self, record: UserRecord | None) -> UserRecord:
        """Deleted accounts get the answer that a password gets there."""
        if record is None or not record.active:
            error = ApiError(ErrorCode.INVALID_CREDENTIALS, "There is no such account any more.")
            raise _Refusal(error, "account not active", record.user_id if record else None)
        return record

    def _by_address(self, conn: Connection, identity: Identity) -> UserRecord | None:
        """The account that owns the address which the provider vouches for; None if nobody has it."""
        email = rules.usable(identity.email)
        record = self._users.by_email_in(conn, email) if email is not None else None
        if record is None:
            return None
        if record.email_verified_at is None or record.is_bot:
            # Whoever made the account may have typed somebody else's address.
            details = [Detail("email", "belongs to an account that did not verify it")]
            error = ApiError(
                ErrorCode.CONFLICT, "Log in there and verify the address first.", details=details
            )
            raise _Refusal(error, "address not verified here", record.user_id)
        return self._living(record)

    def _step_in(
        self,
        tx: WriteTx,
        record: UserRecord,
        link: Link | None,
        device_name: str | None,
        context: RequestContext,
    ) -> SecondStep | None:
        """What is missing; a new link waits for it."""
        user_id = record.user_id
        self._entrance.unlocked_in(tx.conn, user_id, context)
        step = self._factors.ask_in(
            tx,
            user_id,
            password_hash=self._users.password_hash_in(tx.conn, user_id),
            device_name=device_name,
            then=msgspec.json.encode(link).decode() if link is not None else None,
        )
        if step is not None:
            self._entrance.allowed_in(tx.conn, record)
            tx.after_commit(lambda: self._metrics.authenticated("oidc"))
        return step

    def _admit_in(
        self, tx: WriteTx, user_id: str, device_name: str | None, context: RequestContext
    ) -> Entered:
        entered = self._entrance.admit_in(tx, user_id, context, method="oidc", device_name=device_name)
        assert entered is not None, "the account was active in this transaction"
        return entered

    def _welcome_in(
        self, tx: WriteTx, link: Link, identity: Identity, device_name: str | None, context: RequestContext
    ) -> Entered:
        """A new account without a password, and its first session."""
        if not self._signup:
            error = ApiError(ErrorCode.FEATURE_DISABLED, "Single sign-on makes no accounts on this server.")
            raise _Refusal(error, "no account")
        user_id = new_id()
        self._create_in(tx, user_id, identity)
        self._audit.record_in(
            tx,
            AuditEntry(
                event="register",
                actor_id=user_id,
                target_type="user",
                target_id=user_id,
                context=context,
                details={"method": "oidc", "provider": link.provider},
            ),
        )
        self._links.add_in(tx, link, user_id, context)
        return self._admit_in(tx, user_id, device_name, context)

    def _create_in(self, tx: WriteTx, user_id: str, identity: Identity) -> None:
        now, email = self._clock.now(), rules.usable(identity.email)
        for username in rules.usernames(identity.username, identity.email, identity.name):
            user = NewUser(
                user_id,
                email or rules.no_address(user_id),
                username,
                None,
                rules.display_name(username, identity.name, identity.username),
                "user",
                now,
                now if email is not None else None,
            )
            try:
                return self._users.create_in(tx, user)
            except ApiError as error:
                if [detail.field for detail in error.details] != ["username"]:
                    raise
        raise ApiError(ErrorCode.CONFLICT, "No username is free.", details=[Detail("username", "is taken")])

    def _adopt_in(self, tx: WriteTx, record: UserRecord, identity: Identity, context: RequestContext) -> None:
        """An account that began without an address gets the one that the provider vouches for by now."""
        email = rules.usable(identity.email)
        if email is None or not rules.is_no_address(record.email):
            return
        if self._users.by_email_in(tx.conn, email) is not None:
            return
        self._users.set_email_in(tx, record.user_id, email, self._clock.now())
        self._audit.record_in(
            tx,
            AuditEntry(
                event="email_changed",
                actor_id=record.user_id,
                target_type="user",
                target_id=record.user_id,
                context=context,
            ),
        )

    def _refused_in(self, tx: WriteTx, refusal: _Refusal, provider: str, context: RequestContext) -> None:
        tx.after_commit(lambda: self._metrics.authentication_failed("oidc", "other"))
        self._audit.record_in(
            tx,
            AuditEntry(
                event="login_failed",
                result="failure",
                reason=refusal.reason,
                actor_id=refusal.user_id,
                actor_type="user" if refusal.user_id else "anonymous",
                target_type="user",
                target_id=refusal.user_id,
                context=context,
                details={"method": "oidc", "provider": provider},
            ),
        )


def _link(proof: Proof) -> Link:
    return Link(proof.provider, proof.identity.subject)


def _belongs(proof: Proof, verifier: str | None) -> bool:
    """Whether who makes the exchange is who began. A login without challenge has no verifier either, so that
    nobody can be led into one that somebody else began."""
    if verifier is None or proof.challenge is None:
        return verifier is None and proof.challenge is None
    return hmac.compare_digest(rules.challenge_of(verifier), proof.challenge)
