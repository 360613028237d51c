"""What waits to be sent on one socket, and how much of it may wait (docs/reference/realtime.md §8)."""

import asyncio
import socket
from abc import abstractmethod
from typing import ClassVar

import msgspec

from secureconnect.infra.telemetry.log import get_logger

__all__ = ["Outbox", "Tick", "TransportLimits"]

_log = get_logger()

# A tick's frames go out early when so many are waiting, which bounds what a burst can hold back.
_JOINED_FRAMES = 64
# What one write may carry when several frames wait. More would sit in the transport, where it is not counted.
_JOINED_BYTES = 65_536


class TransportLimits(msgspec.Struct, frozen=True):
    """Bounds of every socket. Sizes in bytes, times in seconds.

    `send_buffer_frames` and `send_buffer_bytes` bound what waits for a slow peer. `kernel_send_buffer` is
    asked of the kernel as SO_SNDBUF; `early_bytes` may arrive before the upgrade is decided; `close_timeout`
    is how long the peer may take to finish closing.
    """

    send_buffer_frames: int = 1_000
    send_buffer_bytes: int = 4 * 1024 * 1024
    kernel_send_buffer: int = 65_536
    early_bytes: int = 65_536
    close_timeout: float = 5.0


class Tick:
    """The sockets that got frames in this turn of the event loop; one callback writes to all of them."""

    __slots__ = ("sockets",)

    def __init__(self) -> None:
        self.sockets: list[Outbox] = []

    def flush(self) -> None:
        """Write what waits, socket by socket; a socket that fails is dropped and delays nobody."""
        sockets, self.sockets = self.sockets, []
        for outbox in sockets:
            try:
                outbox.flush()
            except Exception:  # noqa: BLE001 - whatever one socket does, the others get their frames
                _log.exception("socket write failed")
                outbox.transport.abort()


class Outbox(asyncio.Protocol):
    """The sending half of a socket.

    While the peer keeps up, frames wait only for the end of the loop's turn and then go to the transport in
    one write. When the kernel takes no more they wait here, counted, until it does or a limit is passed.
    """

    __slots__ = ("_direct", "_frames", "_paused", "_queued_bytes", "_waiters", "open", "transport")

    #: Shared by all sockets of one server; set on the class that the factory makes.
    limits: ClassVar[TransportLimits]
    tick: ClassVar[Tick]

    def __init__(self) -> None:
        self.open = False
        self.transport: asyncio.Transport
        self._direct = False  # open, and the transport takes bytes: nothing needs to be counted
        self._paused = False
        self._frames: list[bytes] = []
        self._queued_bytes = 0  # of `_frames`; right only while paused
        self._waiters: list[asyncio.Future[None]] | None = None

    @abstractmethod
    def overflowed(self) -> None:
        """The peer is too slow: what waits does not fit any more."""

    @abstractmethod
    def emptied(self) -> None:
        """Everything was handed to the transport after the socket stopped being open."""

    def send(self, frame: bytes, *, ephemeral: bool = False) -> None:
        if self._direct:
            frames = self._frames
            frames.append(frame)
            waiting = len(frames)
            if waiting == 1:
                sockets = self.tick.sockets
                if not sockets:
                    asyncio.get_running_loop().call_soon(self.tick.flush)
                sockets.append(self)
            elif waiting >= _JOINED_FRAMES:
                self.flush()
        elif self.open:
            self._hold(frame, ephemeral)

    def flush(self) -> None:
        """Hand the frames of this turn to the transport."""
        frames = self._frames
        if self._paused or not frames:
            return
        data = frames[0] if len(frames) == 1 else b"".join(frames)
        if len(data) > _JOINED_BYTES:
            self._write_portions()
        else:
            frames.clear()
            self.transport.write(data)

    async def drained(self) -> None:
        if self._direct and len(self._frames) > 1 and sum(map(len, self._frames)) > _JOINED_BYTES:
            self.flush()
        if self.open and not self._direct:
            waiter = asyncio.get_running_loop().create_future()
            if self._waiters is None:
                self._waiters = []
            self._waiters.append(waiter)
            await waiter

    def start_sending(self) -> None:
        """Open the outbox on `self.transport`.

        Left alone, the kernel grows a socket's buffer to megabytes and the transport takes any amount on top:
        thousands of frames for a peer that reads nothing would look delivered. A fixed SO_SNDBUF and a
        high-water mark of one byte make a slow peer visible within a few dozen kilobytes; all else waits in
        `_frames`, where it is counted.
        """
        kernel: socket.socket | None = self.transport.get_extra_info("socket")
        if kernel is not None:
            kernel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.limits.kernel_send_buffer)
        # Not 0: TLS transports pause at the mark, not above it, and would pause with nothing to wait for.
        self.transport.set_write_buffer_limits(high=1, low=0)
        self.open = True
        self._direct = not self._paused

    def stop_sending(self, last: bytes | None, *, discard: bool = False) -> None:
        """Take no more frames; send what waits (unless `discard`) and `last`, then call `emptied`."""
        self.open = False
        self._direct = False
        if discard:
            self._frames.clear()
        if last is not None:
            self._frames.append(last)
        self._release()
        if not self._paused:
            self._write_portions()
        if not self._paused:
            self.emptied()

    def drop(self) -> None:
        """The connection is lost: forget what waits."""
        self.open = False
        self._direct = False
        self._frames.clear()
        self._release()

    def pause_writing(self) -> None:
        self._paused = True
        self._direct = False
        self._queued_bytes = sum(map(len, self._frames))

    def resume_writing(self) -> None:
        self._paused = False
        self._write_portions()
        if self._paused:
            return
        if self.open:
            self._direct = True
            self._release()
        else:
            self.emptied()

    def _hold(self, frame: bytes, ephemeral: bool) -> None:
        limits = self.limits
        if ephemeral and (
            len(self._frames) > limits.send_buffer_frames >> 1
            or self._queued_bytes > limits.send_buffer_bytes >> 1
        ):
            return
        self._frames.append(frame)
        self._queued_bytes += len(frame)
        self._check()

    def _check(self) -> None:
        limits = self.limits
        if len(self._frames) > limits.send_buffer_frames or self._queued_bytes > limits.send_buffer_bytes:
            self.overflowed()

    def _write_portions(self) -> None:
        """Write whole frames, at most `_JOINED_BYTES` at a time, until the transport pauses."""
        frames = self._frames
        while frames and not self._paused:
            size = taken = 0
            for frame in frames:
                size += len(frame)
                if size > _JOINED_BYTES and taken:
                    break
                taken += 1
            data = frames[0] if taken == 1 else b"".join(frames[:taken])
            del frames[:taken]
            self.transport.write(data)
        if self._paused and self.open:
            self._check()

    def _release(self) -> None:
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)
