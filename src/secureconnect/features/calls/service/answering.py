"""Joining, declining, inviting, leaving, ending."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from msgspec.structs import replace
from sqlalchemy import Connection

from secureconnect.features.calls import rules, store
from secureconnect.features.calls.rules import CallLimits, Talk
from secureconnect.features.calls.service.announcing import Cause
from secureconnect.features.calls.service.desk import Changed, Desk
from secureconnect.features.calls.service.initiating import CallAllowed
from secureconnect.features.calls.service.logbook import Logbook
from secureconnect.features.calls.service.metrics import CallMetrics
from secureconnect.features.conversations.api import Conversations, Facts
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode, invalid
from secureconnect.kit.principal import Principal, RequestContext

T = TypeVar("T")

__all__ = ["AnswerService", "Ended", "Placement"]


class Ended(NamedTuple):
    """How a call ended; `duration` in seconds."""

    call_id: str
    status: str
    duration: int


class Placement(NamedTuple):
    """A signaling socket, and the process that holds it."""

    connection_id: str
    process_id: str


class AnswerService:
    """What people do with a call that exists."""

    def __init__(
        self,
        database: Database,
        conversations: Conversations,
        logbook: Logbook,
        desk: Desk,
        allowed: CallAllowed,
        metrics: CallMetrics,
        clock: Clock,
        limits: CallLimits,
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._logbook = logbook
        self._desk = desk
        self._allowed = allowed
        self._metrics = metrics
        self._clock = clock
        self._limits = limits

    async def join(
        self,
        caller: Principal,
        context: RequestContext,
        call_id: str,
        *,
        takeover: bool,
        place: Placement | None = None,
    ) -> Changed:
        """Answer a call, or come back to it; `place` is the socket that does so.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `CALL_ENDED`, `CALL_ANSWERED_ELSEWHERE`,
                `CALL_CAPACITY_REACHED`.
        """
        now, cause = self._clock.now(), Cause(caller.user_id, caller.session_id, context)

        def decide(_: WriteTx, talk: Talk) -> Talk:
            after = rules.join(talk, caller.user_id, caller.session_id, now, takeover=takeover)
            if place is not None:
                after = rules.placed(after, caller.user_id, place.connection_id, place.process_id)
            return after

        try:
            return await self._as_member(
                caller.user_id,
                call_id,
                lambda tx, _, later: self._desk.change_in(tx, call_id, decide, replace(cause, later=later)),
            )
        except ApiError as error:
            if error.code is ErrorCode.CALL_CAPACITY_REACHED:
                self._metrics.call_capacity_rejected("join")
            raise

    async def decline(
        self, caller: Principal, context: RequestContext, call_id: str, reason: str | None
    ) -> None:
        """Do not want to talk.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `CALL_ENDED`, `CONFLICT`.
        """
        now = self._clock.now()
        cause = Cause(caller.user_id, caller.session_id, context, details={"reason": reason or "declined"})
        await self._desk.change(call_id, lambda _, talk: rules.decline(talk, caller.user_id, now), cause)

    async def ringing(self, user_id: str, call_id: str) -> None:
        """A device of the user rings.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `CALL_ENDED`.
        """

        def decide(_: WriteTx, talk: Talk) -> Talk:
            rules.may_signal(talk, user_id)
            return rules.hear_ringing(talk, user_id)

        await self._desk.change(call_id, decide, Cause(user_id))

    async def invite(
        self, caller: Principal, context: RequestContext, call_id: str, user_ids: Sequence[str]
    ) -> list[str]:
        """Let the call ring for more members; returns for whom it begins to ring.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `CALL_ENDED`, `VALIDATION_ERROR`.
        """
        now = self._clock.now()
        until = now + round(self._limits.ring_timeout * 1000)
        wanted = [each for each in dict.fromkeys(user_ids) if each != caller.user_id]
        cause = Cause(caller.user_id, caller.session_id, context)
        rung: list[str] = []

        def work(tx: WriteTx, facts: Facts, later: bool) -> None:
            def decide(tx: WriteTx, talk: Talk) -> Talk:
                after, fresh = rules.invite(talk, caller.user_id, wanted, now, until)
                if not wanted:
                    raise invalid("user_ids", "somebody else than the caller")
                self._allowed.check_in(tx.conn, facts, caller.user_id, wanted, "user_ids")
                rung[:] = fresh
                return after

            self._desk.change_in(tx, call_id, decide, replace(cause, later=later))

        await self._as_member(caller.user_id, call_id, work)
        return rung

    async def leave(self, caller: Principal, context: RequestContext, call_id: str) -> None:
        """Get out; not being in it, or a call that is over, is the same.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`.
        """
        now, cause = self._clock.now(), Cause(caller.user_id, caller.session_id, context)
        await self._desk.change(
            call_id, lambda _, talk: rules.leave(talk, caller.user_id, now, "left"), cause
        )

    async def end(self, caller: Principal, context: RequestContext, call_id: str) -> Ended:
        """End the call for everybody; one that is over stays as it is.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`.
        """
        now, cause = self._clock.now(), Cause(caller.user_id, caller.session_id, context)

        def decide(tx: WriteTx, talk: Talk) -> Talk:
            admin = talk.call.conversation_type == "group" and self._is_admin(
                tx.conn, talk.call.conversation_id, caller.user_id
            )
            return rules.end(talk, caller.user_id, now, is_admin=admin)

        call = (await self._desk.change(call_id, decide, cause)).after.call
        return Ended(call_id, call.status, call.duration)

    def _is_admin(self, conn: Connection, conversation_id: str, user_id: str) -> bool:
        try:
            return self._conversations.member_in(conn, conversation_id, user_id).is_admin
        except ApiError:
            return False

    async def _as_member(self, user_id: str, call_id: str, work: Callable[[WriteTx, Facts, bool], T]) -> T:
        """Do `work` while the user is a member of the call's conversation."""
        conversation_id = await self._database.lookup(lambda conn: store.conversation_of(conn, call_id))
        if conversation_id is None:
            raise rules.no_call()
        return await self._desk.settled(lambda: self._logbook.act(conversation_id, user_id, work))
