"""What arrives on one socket: bytes become messages (RFC 6455 §5), at the pace that the session sets."""

import asyncio
from abc import abstractmethod
from collections import deque
from typing import ClassVar, cast

from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from secureconnect.edge.realtime.base import Receiver
from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.transport.heartbeat import Heartbeat
from secureconnect.edge.realtime.transport.outbox import Outbox
from secureconnect.edge.realtime.transport.upgrade import QUIET
from secureconnect.edge.realtime.wire import PONG_HEAD
from secureconnect.infra.telemetry.log import get_logger

__all__ = ["NO_STATUS", "Intake"]

_log = get_logger()

#: The code of a close frame that has none (RFC 6455 §7.1.5).
NO_STATUS = 1005

# The parser turns a whole chunk into frames before the session can say stop: a small chunk bounds how many.
_PARSED_BYTES = 4_096


class _Pending:
    """What was read but not yet given to the session, because it asked to wait."""

    __slots__ = ("frames", "unread")

    def __init__(self) -> None:
        self.frames: deque[Frame] = deque()
        self.unread = bytearray()


class Intake(Outbox):
    """The receiving half of a socket, on top of the sending one (one object: there may be 10,000 of them)."""

    __slots__ = ("_deaf", "_held", "_parser", "_partial", "_pending", "receiver", "seen")

    heartbeat: ClassVar[Heartbeat]

    def __init__(self) -> None:
        super().__init__()
        self.receiver: Receiver | None = None
        self.seen = 0.0
        self._parser: ServerProtocol | None = None
        self._partial: bytearray | None = None  # a message of which more fragments follow
        self._pending: _Pending | None = None
        self._held = False  # the session asked to read no more for now
        self._deaf = False  # nothing that arrives counts any more

    @abstractmethod
    def close(self, code: CloseCode, *, retry_after_ms: int | None = None) -> None:
        """See `Socket`."""

    @abstractmethod
    def peer_closed(self, code: int) -> None:
        """The peer's close frame is here; nothing else will come."""

    @abstractmethod
    def violated(self, fault: Exception) -> None:
        """The bytes make no frame any more, or too large a one: nothing that follows can be understood."""

    def start_reading(self, max_frame_bytes: int) -> None:
        """Expect frames from now on. Messages over `max_frame_bytes`, fragmented or not, are violations."""
        # A fresh parser: one that had read the upgrade request would keep it for the life of the socket.
        self._parser = ServerProtocol(state=State.OPEN, max_size=max_frame_bytes, logger=QUIET)
        self.seen = self.heartbeat.clock.monotonic()

    def stop_reading(self) -> None:
        """The connection is lost: forget what was read."""
        self._deaf = True
        self._parser = self._pending = self._partial = None

    def take_in(self, data: bytes) -> None:
        """Bytes from the peer, after `start_reading`."""
        parser = self._parser
        if parser is None or self._deaf:
            return
        if self._pending is not None:
            self._pending.unread += data
        elif self._held or len(data) > _PARSED_BYTES:
            self._pending = _Pending()
            self._pending.unread += data
            self._pump(parser)
        else:
            self._parse(parser, data)

    def pause_reading(self) -> None:
        if self.open and not self._held:
            self._held = True
            self.seen = float("inf")  # silence is ours, not the peer's
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self._held:
            self._held = False
            self.seen = self.heartbeat.clock.monotonic()
            # Not at once: the session may be in the middle of a command.
            asyncio.get_running_loop().call_soon(self._read_on)

    def _read_on(self) -> None:
        if self._parser is not None and not self._held:
            self._pump(self._parser)
            if not self._held:
                self.transport.resume_reading()

    def _pump(self, parser: ServerProtocol) -> None:
        """Go on with what is pending until it is done or the session asks to wait."""
        while (pending := self._pending) is not None and not self._held and not self._deaf:
            if pending.frames:
                self._take(parser, pending.frames.popleft())
            elif parser.parser_exc is not None:
                self._pending = None
                self._violate(parser.parser_exc)
            elif pending.unread:
                data = pending.unread[:_PARSED_BYTES]
                del pending.unread[:_PARSED_BYTES]
                self._parse(parser, data)
            else:
                self._pending = None

    def _parse(self, parser: ServerProtocol, data: bytes | bytearray) -> None:
        parser.receive_data(data)
        frames = cast("list[Frame]", parser.events_received())  # an open parser makes nothing but frames
        if frames:
            self.seen = self.heartbeat.clock.monotonic()
        for output in parser.data_to_send():
            # The parser answers pings, also those of a flood: what does not fit is dropped. Its close frames
            # do not carry our reasons, so they are written elsewhere.
            if output and output[0] == PONG_HEAD:
                self.send(output, ephemeral=True)
        for index, frame in enumerate(frames):
            self._take(parser, frame)
            if self._held:
                if self._pending is None:
                    self._pending = _Pending()
                self._pending.frames.extend(frames[index + 1 :])
                return
        if parser.parser_exc is not None:
            self._violate(parser.parser_exc)

    def _violate(self, fault: Exception) -> None:
        if not self._deaf:
            self._deaf = True
            self.violated(fault)

    def _take(self, parser: ServerProtocol, frame: Frame) -> None:
        opcode = frame.opcode
        if opcode is Opcode.TEXT or opcode is Opcode.CONT:
            if self._partial is not None:
                self._partial += frame.data
                if frame.fin:
                    message, self._partial = bytes(self._partial), None
                    self._text(message)
            elif frame.fin:
                self._text(bytes(frame.data))
            else:
                # A bytearray, not a list of fragments: a million empty ones cost nothing.
                self._partial = bytearray(frame.data)
        elif opcode is Opcode.BINARY:
            self.close(CloseCode.POLICY)
        elif opcode is Opcode.CLOSE:
            self._deaf = True
            received = parser.close_rcvd
            self.peer_closed(received.code if received is not None else NO_STATUS)

    def _text(self, message: bytes) -> None:
        receiver = self.receiver
        if receiver is None or not self.open:
            return
        try:
            if not message.isascii():
                message.decode()
        except UnicodeDecodeError:
            self.close(CloseCode.POLICY)
            return
        try:
            receiver.text(message)
        except Exception:  # noqa: BLE001 - a defect of one session ends that session
            _log.exception("socket session failed")
            self.close(CloseCode.INTERNAL_ERROR)

    def let_go(self) -> None:
        """Read on although the session asked to wait: the peer's close frame may be among what is unread."""
        if self._held:
            self._held = False
            asyncio.get_running_loop().call_soon(self._read_on)
