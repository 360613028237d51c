"""The socket layer alone behind uvicorn: no sessions, no rules, no store.

`python -m bench.bare_server FRAME_BYTES` serves on a free port of the loopback, prints it and obeys lines
on its standard input: `count` answers the number of open sockets. A text on a socket of `/control` is a
number of events to send to all sockets of `/subscribe`.
"""

import asyncio
import gc
import socket
import sys

import uvicorn

from bench.measure import raise_file_limit
from secureconnect.edge.http.protocol import http_protocol
from secureconnect.edge.realtime.base import Admission, Receiver, Refusal, Socket, UpgradeRequest
from secureconnect.edge.realtime.transport import transport_factory
from secureconnect.edge.realtime.transport.heartbeat import Heartbeat
from secureconnect.edge.realtime.wire import text_frame
from secureconnect.kit.clock import SystemClock
from secureconnect.kit.errors import ApiError

__all__: list[str] = []


class Subscriber:
    """Says nothing."""

    __slots__ = ("_all", "_socket")

    def __init__(self, everybody: "set[Socket]", sock: Socket) -> None:
        self._all, self._socket = everybody, sock
        everybody.add(sock)

    def text(self, payload: bytes) -> None:
        pass

    def closed(self, code: int) -> None:
        self._all.discard(self._socket)


class Commander:
    """Lets everybody hear."""

    def __init__(self, everybody: "set[Socket]", frame: bytes) -> None:
        self._all, self._frame = everybody, frame

    def text(self, payload: bytes) -> None:
        frame = self._frame
        for _ in range(int(payload)):
            for subscriber in self._all:
                subscriber.send(frame)

    def closed(self, code: int) -> None:
        pass


class OpenGate:
    """Everybody may come in."""

    def __init__(self, frame: bytes) -> None:
        self.everybody: set[Socket] = set()
        self._frame = frame

    async def admit(self, request: UpgradeRequest) -> Admission:
        opened = self._command if request.path == "/control" else self._subscribe
        return Admission(None, 262_144, opened, lambda: None)

    def refuse(self, request: UpgradeRequest, error: ApiError) -> Refusal:
        return Refusal(error.code.status, [], b"")

    def _command(self, sock: Socket) -> Receiver:
        return Commander(self.everybody, self._frame)

    def _subscribe(self, sock: Socket) -> Receiver:
        return Subscriber(self.everybody, sock)


async def serve(frame_bytes: int) -> None:
    head = len(text_frame(b"x" * frame_bytes)) - frame_bytes
    gate = OpenGate(text_frame(b"x" * (frame_bytes - head)))
    heartbeat = Heartbeat(clock=SystemClock(), idle_timeout=3_600)  # the peers here answer no pings
    listener = socket.create_server(("127.0.0.1", 0), backlog=1_024)
    config = uvicorn.Config(
        _not_found,
        http=http_protocol(render=lambda error: (error.code.status, [], b"")),
        ws=transport_factory(gate=gate, heartbeat=heartbeat),
        lifespan="off",
        log_config=None,
        access_log=False,
    )
    heartbeat.start()
    print(listener.getsockname()[1], flush=True)

    def obey() -> None:
        line = sys.stdin.readline().strip()
        if line == "count":
            gc.collect()
            print(len(gate.everybody), flush=True)

    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), obey)
    await uvicorn.Server(config).serve(sockets=[listener])


async def _not_found(scope: object, receive: object, send: object) -> None:
    raise NotImplementedError("there is no application here")


def main() -> None:
    import uvloop

    raise_file_limit()
    uvloop.run(serve(int(sys.argv[1])))


if __name__ == "__main__":
    main()
