"""Through which socket people take part, what they show there, and what becomes of those who are lost."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection

from secureconnect.features.calls import rules, store
from secureconnect.features.calls.rules import CallLimits, Talk
from secureconnect.features.calls.service.announcing import Cause, Rooms
from secureconnect.features.calls.service.answering import Placement
from secureconnect.features.calls.service.desk import Changed, Desk
from secureconnect.features.calls.service.metrics import CallMetrics
from secureconnect.features.calls.service.rendering import reconnecting_frame
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["Presences", "StoredRoster"]

log = get_logger()


class StoredRoster:
    """Implements the `Roster` of signaling sockets."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def places(self, call_id: str) -> Mapping[str, str]:
        """See `Roster`."""

        def query(conn: Connection) -> dict[str, str]:
            talk = store.find(conn, call_id)
            return {
                person.user_id: person.process_id
                for person in (talk.inside if talk is not None else ())
                if person.process_id is not None and person.lost_at is None
            }

        return await self._database.lookup(query)

    async def versions(self, call_ids: Collection[str]) -> Mapping[str, int]:
        """See `Roster`."""
        return await self._database.read(lambda conn: store.versions_of(conn, call_ids))


class Presences:
    """Keeps where people are while they are in a call."""

    def __init__(
        self,
        desk: Desk,
        rooms: Rooms,
        metrics: CallMetrics,
        clock: Clock,
        limits: CallLimits,
    ) -> None:
        self._desk = desk
        self._rooms = rooms
        self._metrics = metrics
        self._clock = clock
        self._limits = limits

    async def returned(
        self, caller: Principal, context: RequestContext, call_id: str, place: Placement
    ) -> Changed | None:
        """Another socket of the session that takes part; None when it does not any more.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `CALL_ENDED`.
        """
        back = True

        def decide(_: WriteTx, talk: Talk) -> Talk:
            nonlocal back
            person = rules.may_signal(talk, caller.user_id)
            back = person.taking_part and person.session_id == caller.session_id
            return rules.placed(talk, caller.user_id, place.connection_id, place.process_id) if back else talk

        changed = await self._desk.change(call_id, decide, Cause(caller.user_id, caller.session_id, context))
        if not back:
            return None
        self._metrics.call_recovered()
        return changed

    async def lost(self, call_id: str, user_id: str, connection_id: str, at: int | None = None) -> None:
        """The socket through which somebody took part is gone; a store that is down is for the reaper."""
        since = at if at is not None else self._clock.now()
        try:
            changed = await self._desk.change(
                call_id,
                lambda _, talk: rules.place_lost(talk, user_id, connection_id, since),
                Cause(),
            )
        except ApiError as error:
            log.warning("a lost socket is not stored yet", call_id=call_id, error_code=error.code.name)
            return
        if changed.before is not changed.after:
            until = since + round(self._limits.reconnect_window * 1000)
            self._rooms.tell(call_id, [reconnecting_frame(call_id, user_id, until)], except_user=user_id)

    async def kept(self, call_id: str, user_id: str, place: Placement) -> None:
        """A socket that was taken for lost is still there, and still the one that counts."""

        def decide(_: WriteTx, talk: Talk) -> Talk:
            person = talk.people.get(user_id)
            if person is None or person.connection_id != place.connection_id:
                return talk
            return rules.placed(talk, user_id, place.connection_id, place.process_id)

        await self._desk.change(call_id, decide, Cause())

    async def show(
        self, caller: Principal, context: RequestContext, call_id: str, state: Mapping[str, bool]
    ) -> None:
        """What a participant shows.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `CALL_ENDED`.
        """
        await self._desk.change(
            call_id,
            lambda _, talk: rules.show(talk, caller.user_id, **state),
            Cause(caller.user_id, caller.session_id, context),
        )
