"""From a text message to the command that it asks for, and to its answer: shape, limits, execution."""

import random
from collections.abc import Coroutine
from typing import Annotated, Any, ClassVar, Protocol

import msgspec
from msgspec import Meta

from secureconnect.edge.access import Authenticator, Denials
from secureconnect.edge.realtime.background import Background
from secureconnect.edge.realtime.base import Socket
from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.frames import ack_frame, error_frame, pong_frame
from secureconnect.edge.realtime.metrics import RealtimeMetrics
from secureconnect.edge.realtime.session.commands import (
    BUILT_IN,
    Command,
    CommandLimits,
    CommandQueue,
    Commands,
    Job,
)
from secureconnect.edge.realtime.session.limits import CommandBucket, Recent
from secureconnect.edge.validation import Opaque, parse_object
from secureconnect.infra.telemetry import tracing
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.clock import Clock, rfc3339
from secureconnect.kit.errors import ApiError, Detail, ErrorCode
from secureconnect.kit.objects import Time
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["Commanded", "Reception", "ReceptionHost", "TokenExpires", "TokenRefresh"]

log = get_logger()

_MALFORMED = 10
_REFUSED = 201
_MAX_REF = 64
_MAX_TYPE = 40


class TokenRefresh(msgspec.Struct):
    """The fields of `token_refresh`."""

    access_token: Annotated[Opaque, Meta(min_length=1, max_length=8192)]


class TokenExpires(msgspec.Struct):
    """The `ack` of `token_refresh`."""

    token_expires_at: Time


class ReceptionHost(Protocol):
    """What all sockets of a process share."""

    clock: Clock
    background: Background
    commands: Commands
    limits: CommandLimits
    limits_enabled: bool
    authenticator: Authenticator
    denials: Denials
    metrics: RealtimeMetrics


class Commanded(Protocol):
    """The session that commands come to."""

    connection_id: str
    principal: Principal
    socket: Socket

    @property
    def host(self) -> ReceptionHost:
        """What all sockets of this kind share."""

    def reply(self, frame: bytes) -> None:
        """Send an answer at once."""

    def close(self, code: CloseCode, *, retry_after_ms: int | None = None) -> None:
        """Close from the server's side."""

    def renew(self, principal: Principal) -> None:
        """`token_refresh` brought another token of the same session."""


async def _token_refresh(context: Any, body: TokenRefresh) -> TokenExpires:
    session, mine = context.session, context.principal
    fresh = await session.host.authenticator.authenticate(body.access_token)
    if fresh.user_id != mine.user_id or fresh.session_id != mine.session_id:
        raise ApiError(ErrorCode.UNAUTHORIZED, "The token belongs to another user or session.")
    session.renew(fresh)
    return TokenExpires(rfc3339(fresh.expires_at))


_TOKEN_REFRESH = Command("token_refresh", TokenRefresh, _token_refresh, scope="", ack=TokenExpires)


class Reception:
    """Reads the messages of one socket, has its commands executed and answers them.

    `kind` is that of the socket, for the metrics. What a kind does in its own way is overridden.
    """

    __slots__ = ("_bucket", "_malformed", "_origin", "_queue", "_refused", "_revoked", "_session", "context")

    kind: ClassVar[str]

    def __init__(self, session: Commanded, context: RequestContext) -> None:
        self._session = session
        self.context = context
        self._origin = tracing.current()  # the upgrade, which commands follow from
        self._queue: CommandQueue | None = None
        self._revoked = False
        self._bucket: CommandBucket | None = None
        self._malformed: Recent | None = None
        self._refused: Recent | None = None

    # What kinds of sockets differ in.

    def context_of(self, ref: str | None) -> Any:
        """What the handlers of commands are given."""
        raise NotImplementedError

    def pace_of(self, name: Any, now: float) -> CommandBucket:
        """The bucket that a command counts in."""
        raise NotImplementedError

    def taken(self, name: str, ref: str | None, raw: dict[str, Any]) -> bool:
        """Whether the socket answers this command by itself, and did."""
        raise NotImplementedError

    def answered(self) -> None:
        """A command was answered."""

    # The way of a message.

    def receive(self, payload: bytes) -> None:
        """One text message."""
        session = self._session
        host = session.host
        host.metrics.messages(self.kind, "in", 1)
        try:
            raw = parse_object(payload)
        except ApiError as error:
            self._nonsense(error)
            return
        ref, name = raw.get("ref"), raw.get("type")
        ref_ok = ref is None or (type(ref) is str and 0 < len(ref) <= _MAX_REF)
        name_ok = type(name) is str and 0 < len(name) <= _MAX_TYPE
        if host.limits_enabled:
            now = host.clock.monotonic()
            wait = self.pace_of(name, now).take(now)
            if wait:
                self._slow_down(name, ref if ref_ok else None, wait)
                return
        if not (ref_ok and name_ok):
            self.fail("unknown", ref if ref_ok else None, _misshapen(ref_ok, name_ok))
            return
        assert isinstance(name, str)
        if self.taken(name, ref, raw):
            return
        if name == "ping":
            host.metrics.command(name, ok=True)
            session.reply(pong_frame(ref, raw.get("ts"), host.clock.now()))
            return
        command = host.commands.get(name) or (_TOKEN_REFRESH if name == "token_refresh" else None)
        if command is None:
            self.fail("unknown", ref, ApiError(ErrorCode.UNKNOWN_COMMAND))
            return
        if self._queue is None:
            self._queue = CommandQueue(self)
        self._queue.put(command, ref, raw)

    def revoke(self) -> None:
        """The socket lost its right to command; what has not begun is forgotten."""
        self._revoked = True
        if self._queue is not None:
            self._queue.clear()

    async def execute(self, job: Job) -> None:
        """Run one command whose turn has come, and answer it."""
        if self._revoked:
            return
        if not tracing.enabled():
            await self._execute(job)
            return
        with tracing.span(tracing.start(f"ws.command {job.command.name}", "server", link=self._origin)):
            await self._execute(job)

    async def _execute(self, job: Job) -> None:
        session, command = self._session, job.command
        principal = session.principal
        try:
            if command.rate_row is not None:
                await session.host.limits.check(command.rate_row, principal.user_id, write=True)
            if principal.kind == "bot" and command.scope != "" and command.scope not in principal.scopes:
                raise ApiError(ErrorCode.INSUFFICIENT_SCOPE)  # noqa: TRY301 - answered like any refusal
            if job.fault is not None:
                raise job.fault  # noqa: TRY301
            fields = await command.handler(self.context_of(job.ref), job.body)
            answer = ack_frame(job.ref, fields) if job.ref is not None else None
        except ApiError as error:
            self.fail(command.name, job.ref, error)
        except Exception:
            log.exception("command failed", command=command.name, connection_id=session.connection_id)
            self.fail(command.name, job.ref, ApiError(ErrorCode.INTERNAL_ERROR, "Internal error."))
        else:
            session.host.metrics.command(command.name, ok=True)
            if answer is not None:
                session.reply(answer)
            self.answered()

    def start(self, work: Coroutine[Any, Any, None]) -> object:
        """Run in the background."""
        return self._session.host.background.start(work)

    def congested(self, full: bool) -> None:
        """Stop or go on reading."""
        if full:
            self._session.socket.pause_reading()
        else:
            self._session.socket.resume_reading()

    def fail(self, name: str, ref: str | None, error: ApiError) -> None:
        """Answer a command that changed nothing."""
        session = self._session
        session.host.metrics.command(name, ok=False)
        if error.denial:
            session.host.denials.denied(session.principal, self.context, f"socket {name}", error)
        session.reply(error_frame(ref, error))
        if error.code is ErrorCode.RATE_LIMIT_EXCEEDED:
            self._limited()
        elif name == "token_refresh" and error.code.status == 401:
            session.close(CloseCode.UNAUTHORIZED)

    def _limited(self) -> None:
        """A command was refused for its rate, here or by the HTTP counters; too many end the socket."""
        session = self._session
        if self._refused is None:
            self._refused = Recent(_REFUSED)
        if self._refused.add(session.host.clock.monotonic()):
            wait = random.randint(10_000, 20_000)  # noqa: S311 - jitter, not a secret
            session.close(CloseCode.RATE_LIMITED, retry_after_ms=wait)

    def _slow_down(self, name: Any, ref: str | None, wait: int) -> None:
        host = self._session.host
        known = type(name) is str and (name in BUILT_IN or host.commands.get(name) is not None)
        error = ApiError(ErrorCode.RATE_LIMIT_EXCEEDED, "Too many commands on this socket.", retry_after=wait)
        self.fail(name if known else "unknown", ref, error)

    def _nonsense(self, error: ApiError) -> None:
        session = self._session
        session.reply(error_frame(None, error))
        if self._malformed is None:
            self._malformed = Recent(_MALFORMED)
        if self._malformed.add(session.host.clock.monotonic()):
            session.close(CloseCode.POLICY)


def _misshapen(ref_ok: bool, name_ok: bool) -> ApiError:
    faults = [] if ref_ok else [Detail("ref", f"text of 1 to {_MAX_REF} characters")]
    if not name_ok:
        faults.append(Detail("type", f"text of 1 to {_MAX_TYPE} characters"))
    return ApiError(ErrorCode.VALIDATION_ERROR, "The frame is not valid.", details=faults)
