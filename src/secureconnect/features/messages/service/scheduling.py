"""Messages that are sent later: once, with the permissions of that moment."""

import asyncio
from collections.abc import Sequence
from functools import partial

import msgspec
from msgspec import UNSET, Struct, UnsetType

from secureconnect.edge.realtime.frames import json_frame
from secureconnect.edge.validation import Timestamp
from secureconnect.features.conversations.api import Conversations
from secureconnect.features.messages import store
from secureconnect.features.messages.api import MessageNotices, Metadata
from secureconnect.features.messages.service.sending import SendRequest, SendService
from secureconnect.features.messages.store import ScheduledRecord
from secureconnect.features.users.api import Users
from secureconnect.infra.bus.base import Bus
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.clock import Clock, rfc3339
from secureconnect.kit.errors import ApiError, ErrorCode, invalid
from secureconnect.kit.hints import UserFrame, user_channel
from secureconnect.kit.ids import new_id
from secureconnect.kit.objects import Id, Time
from secureconnect.kit.pagination import Cursors
from secureconnect.kit.principal import Principal

__all__ = ["ScheduleChange", "ScheduleRequest", "ScheduleService", "Scheduled", "ScheduledPage"]

log = get_logger()

_SOONEST_MS = 10_000
_LATEST_MS = 365 * 24 * 3600 * 1000
# Longer than any send takes; who died in between is followed by the next one after this.
_LEASE_MS = 60_000
_BATCH = 50


class ScheduleRequest(SendRequest, kw_only=True):
    """A send request and its time, 10 seconds to 365 days ahead."""

    send_at: Timestamp


class ScheduleChange(Struct):
    """What is absent stays."""

    content: str | UnsetType = UNSET
    metadata: Metadata | UnsetType = UNSET
    e2ee: dict[str, object] | UnsetType = UNSET
    send_at: Timestamp | UnsetType = UNSET


class Scheduled(SendRequest, kw_only=True):
    """A message that waits, or what became of it."""

    scheduled_id: Id
    send_at: Time
    status: str
    failure_code: str | None
    message_id: Id | None
    created_at: Time


class ScheduledPage(Struct, frozen=True):
    """Messages that wait, the next to go first."""

    scheduled: list[Scheduled]
    next_cursor: str | None
    has_more: bool


class ScheduleService:
    """Keeps messages until their time and sends them."""

    def __init__(
        self,
        database: Database,
        sending: SendService,
        conversations: Conversations,
        users: Users,
        notices: MessageNotices | None,
        bus: Bus,
        cursors: Cursors,
        clock: Clock,
        *,
        max_pending: int,
    ) -> None:
        self._database = database
        self._sending = sending
        self._conversations = conversations
        self._users = users
        self._notices = notices
        self._bus = bus
        self._cursors = cursors
        self._clock = clock
        self._max_pending = max_pending

    async def schedule(self, caller: Principal, request: ScheduleRequest) -> Scheduled:
        """Keep a message until its time. It must be allowed now, and again then.

        Raises:
            ApiError: `VALIDATION_ERROR`, `LIMIT_REACHED`, and what sending it now would raise.
        """
        now = self._clock.now()
        _check_time(request.send_at, now)
        scheduled_id = new_id()
        await self._sending.check(caller.user_id, request)
        record = ScheduledRecord(
            scheduled_id=scheduled_id,
            author_id=caller.user_id,
            conversation_id=request.conversation_id,
            body=_body(request, scheduled_id),
            send_at=request.send_at,
            status="pending",
            failure_code=None,
            message_id=None,
            lease_until=None,
            created_at=now,
        )

        def work(tx: WriteTx) -> None:
            if store.count_pending(tx.conn, caller.user_id) >= self._max_pending:
                raise ApiError(ErrorCode.LIMIT_REACHED, f"At most {self._max_pending} messages may wait.")
            store.add_scheduled(tx, record)

        await self._database.write(work)
        return _shown(record)

    async def list(
        self,
        caller: Principal,
        *,
        conversation_id: str | None,
        status: str,
        cursor: str | None,
        limit: int,
    ) -> ScheduledPage:
        """The caller's own, the next to go first; `conversation_id` names one that the caller is in.

        Raises:
            ApiError: `VALIDATION_ERROR`, `NOT_FOUND`, `FORBIDDEN`.
        """
        scope = ("scheduled", conversation_id or "", status, caller.user_id)
        after: tuple[int, str] | None = None
        if cursor is not None:
            send_at, scheduled_id = self._cursors.decode(scope, cursor)
            after = send_at, scheduled_id
        if conversation_id is not None:
            await self._conversations.member(conversation_id, caller.user_id)
        found = await self._database.read(
            lambda conn: store.list_scheduled(
                conn,
                caller.user_id,
                conversation_id=conversation_id,
                status=status,
                after=after,
                limit=limit + 1,
            )
        )
        page, has_more = found[:limit], len(found) > limit
        last = (page[-1].send_at, page[-1].scheduled_id) if has_more else None
        return ScheduledPage(
            [_shown(record) for record in page],
            self._cursors.encode(scope, last) if last is not None else None,
            has_more,
        )

    async def change(self, caller: Principal, scheduled_id: str, change: ScheduleChange) -> Scheduled:
        """Say something else, or at another time.

        Raises:
            ApiError: `VALIDATION_ERROR`, `NOT_FOUND`, `CONFLICT` (not pending), and what sending it now would
                raise.
        """
        now = self._clock.now()
        if change.send_at is not UNSET:
            _check_time(change.send_at, now)
        while True:
            known = await self._database.lookup(
                lambda conn: _own(store.find_scheduled(conn, scheduled_id), caller)
            )
            _check_pending(known, now)
            request = _changed(known, change)
            await self._sending.check(caller.user_id, request)
            record = await self._database.write(partial(_save, caller, known, request, change, now))
            if record is not None:
                return _shown(record)

    async def cancel(self, caller: Principal, scheduled_id: str) -> Scheduled:
        """Do not send it.

        Raises:
            ApiError: `NOT_FOUND`, `CONFLICT` (not pending).
        """
        now = self._clock.now()

        def work(tx: WriteTx) -> ScheduledRecord:
            record = _own(store.find_scheduled(tx.conn, scheduled_id), caller)
            _check_pending(record, now)
            store.change_scheduled(tx, scheduled_id, status="cancelled")
            return msgspec.structs.replace(record, status="cancelled")

        return _shown(await self._database.write(work))

    async def send_due(self) -> int:
        """Send what is due; returns how many came to an end.

        Each is sent with a client_message_id of its own: whoever takes over from a process that died between
        the send and the note of it finds the first result.
        """
        ended = 0
        while True:
            now = self._clock.now()
            # Nearly always there is nothing, and finding that out writes nothing.
            if not await self._database.lookup(lambda conn: store.find_due(conn, now, 1)):  # noqa: B023
                return ended
            due = await self._database.write(partial(_claim, now))
            by_place: dict[str, list[ScheduledRecord]] = {}
            for record in due:
                by_place.setdefault(record.conversation_id, []).append(record)
            done = sum(await asyncio.gather(*map(self._send_each, by_place.values())))
            ended += done
            if len(due) < _BATCH or done < len(due):
                return ended

    async def _send_each(self, records: Sequence[ScheduledRecord]) -> int:
        """Send in this order; returns how many came to an end. What fails unexpectedly waits for its lease to
        run out and holds up no other."""
        ended = 0
        for record in records:
            try:
                ended += await self._send(record)
            except Exception as error:
                log.warning(
                    "scheduled message waits",
                    scheduled_id=record.scheduled_id,
                    error=str(error),
                    exc_info=True,
                )
        return ended

    async def _send(self, record: ScheduledRecord) -> bool:
        try:
            await self._check_author(record.author_id)
            request = msgspec.json.decode(record.body, type=SendRequest)
            sent = await self._sending.send(_author(record.author_id), request)
        except ApiError as error:
            if error.code.status >= 500:
                await self._database.write(
                    lambda tx: store.change_scheduled(tx, record.scheduled_id, lease_until=None)
                )
                return False
            await self._fail(record, error.code)
            return True
        message_id = sent.message.message_id
        await self._database.write(
            lambda tx: store.change_scheduled(tx, record.scheduled_id, status="sent", message_id=message_id)
        )
        return True

    async def _check_author(self, author_id: str) -> None:
        author = await self._users.get(author_id)
        if author is None or not author.active:
            raise ApiError(ErrorCode.FORBIDDEN, "The author has no account any more.")

    async def _fail(self, record: ScheduledRecord, code: ErrorCode) -> None:
        def work(tx: WriteTx) -> None:
            store.change_scheduled(tx, record.scheduled_id, status="failed", failure_code=code.name)
            if self._notices is not None:
                self._notices.schedule_failed_in(
                    tx, record.author_id, record.scheduled_id, record.conversation_id, code
                )

        await self._database.write(work)
        log.info("scheduled message failed", scheduled_id=record.scheduled_id, error_code=code.name)
        frame = json_frame(
            {"type": "scheduled_failed", "scheduled_id": record.scheduled_id, "code": code.name}
        )
        self._bus.publish(user_channel(record.author_id), UserFrame(record.author_id, frame))


def _check_time(send_at: int, now: int) -> None:
    if not now + _SOONEST_MS <= send_at <= now + _LATEST_MS:
        raise invalid("send_at", "must be between 10 seconds and 365 days ahead")


def _own(record: ScheduledRecord | None, caller: Principal) -> ScheduledRecord:
    if record is None or record.author_id != caller.user_id:
        raise ApiError(ErrorCode.NOT_FOUND, "There is no such scheduled message.")
    return record


def _check_pending(record: ScheduledRecord, now: int) -> None:
    taken = record.lease_until is not None and record.lease_until > now
    if record.status != "pending" or taken:
        raise ApiError(ErrorCode.CONFLICT, "This message waits no more.")


def _claim(now: int, tx: WriteTx) -> Sequence[ScheduledRecord]:
    return store.claim_due(tx, now, now + _LEASE_MS, _BATCH)


def _changed(record: ScheduledRecord, change: ScheduleChange) -> SendRequest:
    """The send request of `record` with what `change` gives."""
    request = msgspec.json.decode(record.body, type=SendRequest)
    for name in ("content", "metadata", "e2ee"):
        value = getattr(change, name)
        if value is not UNSET:
            setattr(request, name, value)
    return request


def _save(
    caller: Principal,
    known: ScheduledRecord,
    request: SendRequest,
    change: ScheduleChange,
    now: int,
    tx: WriteTx,
) -> ScheduledRecord | None:
    """Keep `request` in place of what is `known`; None when that is another one by now."""
    record = _own(store.find_scheduled(tx.conn, known.scheduled_id), caller)
    _check_pending(record, now)
    if record.body != known.body:
        return None
    send_at = record.send_at if change.send_at is UNSET else change.send_at
    body = msgspec.json.encode(request).decode()
    store.change_scheduled(tx, record.scheduled_id, body=body, send_at=send_at)
    return msgspec.structs.replace(record, body=body, send_at=send_at)


def _body(request: ScheduleRequest, scheduled_id: str) -> str:
    """The send request; with a key of its own, so that it is sent once whatever happens."""
    fields = {name: getattr(request, name) for name in SendRequest.__struct_fields__}
    fields["client_message_id"] = request.client_message_id or f"scheduled.{scheduled_id}"
    return msgspec.json.encode(SendRequest(**fields)).decode()


def _author(user_id: str) -> Principal:
    return Principal(user_id, session_id="", jti="", role="user", expires_at=0)


def _shown(record: ScheduledRecord) -> Scheduled:
    request = msgspec.json.decode(record.body, type=SendRequest)
    return Scheduled(
        **msgspec.structs.asdict(request),
        scheduled_id=record.scheduled_id,
        send_at=rfc3339(record.send_at),
        status=record.status,
        failure_code=record.failure_code,
        message_id=record.message_id,
        created_at=rfc3339(record.created_at),
    )
