"""What commands mean to a chat socket: the first one begins it, `hello` says how far the client has read."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.frames import ack_frame
from secureconnect.edge.realtime.session import resume
from secureconnect.edge.realtime.session.commands import CommandContext
from secureconnect.edge.realtime.session.limits import CommandBucket
from secureconnect.edge.realtime.session.reception import Reception
from secureconnect.edge.realtime.session.state import State
from secureconnect.edge.validation import Uuid, decode
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.errors import ApiError, Detail, ErrorCode, invalid
from secureconnect.kit.ids import normalise_uuid
from secureconnect.kit.principal import RequestContext

if TYPE_CHECKING:
    from secureconnect.edge.realtime.session.chat import Session

__all__ = ["Hello", "Inbox"]

log = get_logger()


class Hello(msgspec.Struct):
    """The fields of `hello`."""

    resume: Annotated[dict[str, Annotated[int, Meta(ge=0, le=2**53 - 1)]], Meta(max_length=1000)] | None = (
        None
    )
    device_id: Uuid | None = None


class Inbox(Reception):
    """The commands of one chat socket."""

    __slots__ = ()

    kind: ClassVar[str] = "chat"
    _session: "Session"

    def __init__(self, session: "Session", context: RequestContext) -> None:
        super().__init__(session, context)

    def context_of(self, ref: str | None) -> CommandContext:
        return CommandContext(self._session.principal, self._session, ref)

    def pace_of(self, name: Any, now: float) -> CommandBucket:  # noqa: ARG002
        if self._bucket is None:
            self._bucket = CommandBucket(self._session.host.settings, now)
        return self._bucket

    def taken(self, name: str, ref: str | None, raw: dict[str, Any]) -> bool:
        if name == "hello":
            self._hello(ref, raw)
            return True
        if self._session.state is State.WAITING:  # any other command counts as `hello` without resume
            self._session.begin()
        return False

    def _hello(self, ref: str | None, raw: dict[str, Any]) -> None:
        session = self._session
        if session.state is not State.WAITING:
            late = [Detail("type", "hello comes first, once, and in time")]
            self.fail("hello", ref, ApiError(ErrorCode.CONFLICT, "This socket has begun.", details=late))
            return
        try:
            hello = decode(Hello, raw)
            positions = _positions(hello.resume or {})
        except ApiError as error:
            self.fail("hello", ref, error)
            return
        session.device_id = hello.device_id
        session.state = State.RESUMING
        if positions:
            self.start(self._resume(ref, positions))
        else:
            self._welcomed(ref, {})

    async def _resume(self, ref: str | None, positions: dict[str, int]) -> None:
        session = self._session
        try:
            outcomes = await resume.resolve(session, positions)
        except Exception:
            log.exception("hello failed", connection_id=session.connection_id)
            self.fail("hello", ref, ApiError(ErrorCode.INTERNAL_ERROR, "Internal error."))
            session.close(CloseCode.INTERNAL_ERROR)
            return
        if outcomes is not None:
            self._welcomed(ref, outcomes)

    def _welcomed(self, ref: str | None, outcomes: dict[str, resume.Outcome]) -> None:
        session = self._session
        session.host.metrics.command("hello", ok=True)
        for outcome in outcomes.values():
            session.host.metrics.resumed(recovered=outcome.recovered)
        if ref is not None:
            session.reply(ack_frame(ref, {"resume": outcomes}))
        session.start_replay()


def _positions(listed: dict[str, int]) -> dict[str, int]:
    positions: dict[str, int] = {}
    for name, seq in listed.items():
        conversation_id = normalise_uuid(name)
        if conversation_id is None:
            raise invalid("resume", "every key is a conversation id")
        positions[conversation_id] = seq
    return positions
