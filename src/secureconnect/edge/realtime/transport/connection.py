"""The bytes of one socket: the protocol class that uvicorn is given as `ws=` (RFC 6455).

uvicorn hands the upgrade request over by `connection_made` and one `data_received` with the complete head of
the request; from then on the connection is ours. Inbound frames go through the sans-io parser of `websockets`
(see `intake`), outbound frames are prebuilt bytes (see `outbox`). Nothing here knows what a message means:
that is the `Receiver`'s business.
"""

import asyncio
import random
from typing import TYPE_CHECKING, Any, ClassVar, cast

from uvicorn.protocols.utils import get_remote_addr, is_ssl
from websockets.exceptions import PayloadTooBig

from secureconnect.edge.realtime.base import Admission, Gate
from secureconnect.edge.realtime.close import CloseCode, close_reason
from secureconnect.edge.realtime.transport.heartbeat import Beating, Heartbeat
from secureconnect.edge.realtime.transport.intake import NO_STATUS, Intake
from secureconnect.edge.realtime.transport.outbox import Tick, TransportLimits
from secureconnect.edge.realtime.transport.upgrade import Upgrade, refusal_bytes
from secureconnect.edge.realtime.wire import EMPTY_CLOSE, PING, close_frame
from secureconnect.infra.telemetry import tracing
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.errors import ApiError, ErrorCode

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

__all__ = ["SocketTransport", "transport_factory"]

_log = get_logger()

_ABNORMAL = 1006


class SocketTransport(Intake):
    """One connection from its upgrade request to its end: a `Socket` for the session, `Beating` for the
    heartbeat.

    Its life: nothing read yet → `_upgrade` set, the gate decides → open → closing (a timer runs) → lost.
    `Receiver.closed` is called when it is lost, once, whatever happened before.
    """

    __slots__ = ("_code", "_peer_done", "_slot", "_state", "_timer", "_upgrade")

    gate: ClassVar[Gate]

    def __init__(self, config: "Config", server_state: "ServerState", app_state: dict[str, Any]) -> None:  # noqa: ARG002
        super().__init__()
        self._state = server_state
        self._upgrade: Upgrade | None = None
        self._slot: set[Beating] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._peer_done = False  # the peer will send nothing more
        self._code = _ABNORMAL

    # What the event loop and uvicorn call.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's do not derive from it
        self._state.connections.add(self)  # type: ignore[arg-type]  # uvicorn names only its own protocols

    def data_received(self, data: bytes) -> None:
        if self._parser is not None or self._deaf:
            self.take_in(data)
        elif self._upgrade is None:
            self._ask(data)
        else:
            self._upgrade.early += data
            if len(self._upgrade.early) > self.limits.early_bytes:
                self.transport.pause_reading()

    def eof_received(self) -> None:
        """The peer sends no more. Without a close frame this is a lost connection: no socket is half open."""
        self._deaf = self._peer_done = True
        self._upgrade = None
        self._leave()
        self._end_in_time()
        if self.open:
            self.stop_sending(None, discard=True)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._upgrade = None
        self.drop()
        self.stop_reading()
        self._leave()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._state.connections.discard(self)
        receiver, self.receiver = self.receiver, None
        if receiver is not None:
            try:
                receiver.closed(self._code)
            except Exception:  # noqa: BLE001 - nobody is left to tell
                _log.exception("socket session failed to close")

    def shutdown(self) -> None:
        """uvicorn stops. Sessions close their sockets before this; here it hits those that were missed."""
        if self._upgrade is not None:
            self._refuse(self._upgrade, ApiError(ErrorCode.SHUTTING_DOWN, retry_after=random.randint(1, 10)))  # noqa: S311
        elif self.open:
            self.close(CloseCode.SHUTTING_DOWN, retry_after_ms=random.randint(0, 10_000))  # noqa: S311

    # Opening.

    def _ask(self, data: bytes) -> None:
        peer = get_remote_addr(self.transport)
        upgrade = Upgrade(data, peer=peer[0] if peer else "", secure=is_ssl(self.transport))
        self._upgrade = upgrade
        if upgrade.fault is not None:
            self._refuse(upgrade, upgrade.fault)
            return
        task = asyncio.get_running_loop().create_task(self._admit(upgrade))
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)

    async def _admit(self, upgrade: Upgrade) -> None:
        request = upgrade.request
        given = tracing.parse_traceparent(request.headers.get("traceparent"))
        work = tracing.start("GET", "server", given)
        with tracing.span(work):
            if await self._decide(upgrade) and work is not None:
                work.name = f"GET {request.path}"  # one of ours, so that there are few names

    async def _decide(self, upgrade: Upgrade) -> bool:
        """Ask the gate and do what it says; whether the peer has its socket."""
        try:
            admission = await self.gate.admit(upgrade.request)
        except ApiError as error:
            self._refuse(upgrade, error)
            return False
        except Exception:  # noqa: BLE001 - the peer gets an answer whatever is broken
            _log.exception("socket admission failed")
            self._refuse(upgrade, ApiError(ErrorCode.INTERNAL_ERROR))
            return False
        if self._upgrade is not upgrade:  # the peer is gone, or was refused because the server stops
            admission.abandoned()
            return False
        try:
            # Not before the gate: who may not come in learns nothing about the rest of the request.
            answer = upgrade.accept(admission.subprotocol)
        except ApiError as error:
            admission.abandoned()
            self._refuse(upgrade, error)
            return False
        self._establish(upgrade, admission, answer)
        return True

    def _establish(self, upgrade: Upgrade, admission: Admission, answer: bytes) -> None:
        self._upgrade = None
        self.start_reading(admission.max_frame_bytes)
        self.start_sending()
        self._slot = self.heartbeat.join(self)
        self.send(answer)
        try:
            self.receiver = admission.opened(self)
        except Exception:  # noqa: BLE001 - a defect of one session ends that session
            _log.exception("socket session failed to open")
            admission.abandoned()
            self.close(CloseCode.INTERNAL_ERROR)
        if upgrade.early:
            self.take_in(bytes(upgrade.early))
        if not self._held:
            self.transport.resume_reading()

    def _refuse(self, upgrade: Upgrade, error: ApiError) -> None:
        if self._upgrade is not upgrade:
            return
        self._upgrade = None
        self._deaf = True
        try:
            answer = refusal_bytes(self.gate.refuse(upgrade.request, error), self._state.default_headers)
        except Exception:  # noqa: BLE001 - without an answer the connection ends
            _log.exception("socket refusal failed")
            self.transport.abort()
            return
        self.transport.write(answer)
        self.transport.close()
        self._end_in_time()

    # Living and closing.

    def ping(self) -> None:
        self.send(PING, ephemeral=True)

    def expired(self) -> None:
        self.close(CloseCode.IDLE_TIMEOUT)

    def close(self, code: CloseCode, *, retry_after_ms: int | None = None) -> None:
        if self.open:
            self._close(code, close_frame(code, close_reason(code, retry_after_ms)))

    def overflowed(self) -> None:
        code = CloseCode.SLOW_CONSUMER
        self._close(code, close_frame(code, close_reason(code)), discard=True)

    def violated(self, fault: Exception) -> None:
        if self.open:
            too_large = isinstance(fault, PayloadTooBig)
            self.close(CloseCode.FRAME_TOO_LARGE if too_large else CloseCode.POLICY)
        else:
            self.drop()
            self.transport.close()

    def peer_closed(self, code: int) -> None:
        self._peer_done = True
        if self.open:
            self._close(code, EMPTY_CLOSE if code == NO_STATUS else close_frame(code))
        else:
            self.drop()
            self.transport.close()

    def emptied(self) -> None:
        if self._peer_done:
            self.transport.close()
        elif self._deaf and self.transport.can_write_eof():
            # The peer may still be sending what we refuse to read. Closing now would reset the connection and
            # could destroy our close frame on its way: say that we are done and wait for the peer's end.
            self.transport.write_eof()

    def _close(self, code: int, frame: bytes, *, discard: bool = False) -> None:
        """Stop being open. `frame` is the last one; the peer gets `close_timeout` to finish."""
        self._code = code
        self._leave()
        self._end_in_time()
        self.stop_sending(frame, discard=discard)
        self.let_go()

    def _leave(self) -> None:
        slot, self._slot = self._slot, None
        if slot is not None:
            self.heartbeat.leave(self, slot)

    def _end_in_time(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self.limits.close_timeout, self.transport.abort)


def transport_factory(
    *, gate: Gate, heartbeat: Heartbeat, limits: TransportLimits | None = None
) -> type[asyncio.Protocol]:
    """The class to give to uvicorn as `Config(ws=...)`; its sockets share what is given here.

    `heartbeat` is started and stopped by the caller.
    """

    class BoundTransport(SocketTransport):
        __slots__ = ()

    BoundTransport.gate = gate
    BoundTransport.heartbeat = heartbeat
    BoundTransport.limits = limits or TransportLimits()
    BoundTransport.tick = Tick()
    return BoundTransport
