"""Calling somebody."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.features.calls import store
from secureconnect.features.calls.api import Call, CallType, Topology
from secureconnect.features.calls.rules import OWED, CallLimits, CallRecord, Talk, begin, plan, start_refused
from secureconnect.features.calls.service.admitting import Admission, Admissions
from secureconnect.features.calls.service.announcing import Cause
from secureconnect.features.calls.service.desk import Desk
from secureconnect.features.calls.service.logbook import Logbook
from secureconnect.features.calls.service.metrics import CallMetrics
from secureconnect.features.calls.service.rendering import render_call
from secureconnect.features.conversations.api import Conversations, Facts
from secureconnect.features.friends.api import Friends
from secureconnect.features.users.api import Users
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, Detail, ErrorCode, invalid
from secureconnect.kit.ids import new_time_id
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["CallAllowed", "InitiateService", "Initiated"]


class Initiated(Struct, frozen=True):
    """A call that rings, and how its caller gets in."""

    call: Call
    admission: Admission


class CallAllowed:
    """Whether a member may call other members of the same conversation."""

    def __init__(self, users: Users, friends: Friends) -> None:
        self._users = users
        self._friends = friends

    def check_in(
        self, conn: Connection, facts: Facts, caller_id: str, callees: Sequence[str], field: str
    ) -> None:
        """Raises ApiError `NOT_FOUND`, `VALIDATION_ERROR` on `field`, or `FORBIDDEN`."""
        known = self._users.many_in(conn, callees)
        choosy = [user_id for user_id, user in known.items() if user.privacy.allow_calls_from == "friends"]
        strangers = set(choosy) - (
            self._friends.friends_among_in(conn, caller_id, choosy) if choosy else set()
        )
        refused = start_refused(
            callees,
            members=facts.members,
            known=known,
            blocked=self._friends.blocked_with_in(conn, caller_id, callees),
            strangers=strangers,
            field=field,
        )
        if refused is not None:
            raise refused


class InitiateService:
    """Starts calls."""

    def __init__(
        self,
        database: Database,
        conversations: Conversations,
        users: Users,
        audit: Audit,
        logbook: Logbook,
        desk: Desk,
        allowed: CallAllowed,
        admissions: Admissions,
        metrics: CallMetrics,
        clock: Clock,
        limits: CallLimits,
    ) -> None:
        self._database = database
        self._logbook = logbook
        self._conversations = conversations
        self._users = users
        self._audit = audit
        self._desk = desk
        self._allowed = allowed
        self._admissions = admissions
        self._metrics = metrics
        self._clock = clock
        self._limits = limits

    async def initiate(
        self,
        caller: Principal,
        context: RequestContext,
        conversation_id: str,
        call_type: CallType,
        callee_ids: Sequence[str],
        topology: Literal["auto", "mesh", "sfu"],
    ) -> Initiated:
        """Ring for `callee_ids`. Nothing exists and nobody is told unless everything is in order.

        Raises:
            ApiError: `CALL_CAPACITY_REACHED` (before anything else is looked at), `VALIDATION_ERROR`,
                `NOT_FOUND`, `FORBIDDEN`, `FEATURE_DISABLED`, `CALL_ALREADY_ACTIVE`, `SFU_UNAVAILABLE`.
        """
        callees = [each for each in dict.fromkeys(callee_ids) if each != caller.user_id]
        if not callees:
            raise invalid("callee_ids", "somebody else than the caller")
        try:
            form, capacity = plan(
                topology,
                len(callees) + 1,
                standard=self._limits.topology,
                sfu_capacity=self._admissions.sfu_capacity,
            )
        except ApiError as error:
            if error.code is ErrorCode.CALL_CAPACITY_REACHED:
                self._metrics.call_capacity_rejected("initiate")
            raise
        call_id = new_time_id()
        if form == "sfu":
            await self._prepare(caller, conversation_id, callees, call_id, capacity)
        try:
            talk = await self._start(
                caller, context, conversation_id, call_type, callees, call_id, form, capacity
            )
        except BaseException:
            if form == "sfu":
                self._admissions.close(call_id)
            raise
        self._metrics.call_started(call_type, form)
        users = await self._users.many(list(talk.people))
        return Initiated(render_call(talk, users), self._admissions.admit(talk, caller.user_id))

    async def _prepare(
        self, caller: Principal, conversation_id: str, callees: Sequence[str], call_id: str, capacity: int
    ) -> None:
        """Everything that could refuse the call comes before the SFU is asked for a room."""
        facts = await self._conversations.facts(conversation_id)
        if facts is not None and caller.user_id in facts.members:
            await self._database.read(
                lambda conn: self._check_in(conn, facts, caller.user_id, callees, conversation_id)
            )
            await self._admissions.open(call_id, capacity)

    def _check_in(
        self, conn: Connection, facts: Facts, caller_id: str, callees: Sequence[str], conversation_id: str
    ) -> None:
        self._allowed.check_in(conn, facts, caller_id, callees, "callee_ids")
        running = store.running_in(conn, conversation_id)
        if running is not None:
            raise _already(running)

    async def _start(
        self,
        caller: Principal,
        context: RequestContext,
        conversation_id: str,
        call_type: CallType,
        callees: Sequence[str],
        call_id: str,
        topology: Topology,
        capacity: int,
    ) -> Talk:
        now = self._clock.now()
        cause = Cause(caller.user_id, caller.session_id, context)

        def start(tx: WriteTx, facts: Facts, later: bool) -> Talk:
            known = store.find(tx.conn, call_id) if later else None
            if known is not None:  # it was stored, and then the timeline was lost
                return known
            self._check_in(tx.conn, facts, caller.user_id, callees, conversation_id)
            call = CallRecord(
                call_id=call_id,
                conversation_id=conversation_id,
                conversation_type=facts.type,
                caller_id=caller.user_id,
                call_type=call_type,
                topology=topology,
                status="ringing",
                max_participants=capacity,
                ring_expires_at=now + round(self._limits.ring_timeout * 1000),
                seq=OWED,
                created_at=now,
            )
            talk = begin(call, callees, caller.session_id)
            if later:
                self._logbook.owe_in(tx, call)
            else:
                talk = Talk(replace(call, seq=self._logbook.start_in(tx, talk)), talk.people)
            store.add(tx, talk)
            self._audit.record_in(
                tx,
                AuditEntry(
                    event="call_initiated",
                    actor_id=caller.user_id,
                    session_id=caller.session_id,
                    target_type="call",
                    target_id=call_id,
                    context=context,
                    details={
                        "conversation_id": conversation_id,
                        "call_type": call_type,
                        "topology": topology,
                        "callees": str(len(callees)),
                    },
                ),
            )
            self._desk.follow_in(tx, Talk(talk.call, {}), talk, replace(cause, later=later))
            return talk

        try:
            return await self._logbook.act(conversation_id, caller.user_id, start)
        except IntegrityError:
            # Two at once, on a store that finds out only when the second one writes.
            running = await self._database.lookup(lambda conn: store.running_in(conn, conversation_id))
            if running is None:
                raise
            raise _already(running) from None


def _already(call_id: str) -> ApiError:
    return ApiError(
        ErrorCode.CALL_ALREADY_ACTIVE,
        "This conversation has a call; join it.",
        details=[Detail("call_id", call_id)],
    )
