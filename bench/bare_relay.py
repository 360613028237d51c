"""The least that passing frames on can cost here: the socket layer behind uvicorn, and nothing else.

`python -m bench.bare_relay` serves on a free port of the loopback and prints it: every text on a socket of
`/a` goes to the sockets of `/b` as it is.
"""

import socket

import uvicorn

from secureconnect.edge.http.protocol import http_protocol
from secureconnect.edge.realtime.base import Admission, Receiver, Refusal, Socket, UpgradeRequest
from secureconnect.edge.realtime.transport import transport_factory
from secureconnect.edge.realtime.transport.heartbeat import Heartbeat
from secureconnect.edge.realtime.wire import text_frame
from secureconnect.kit.clock import SystemClock
from secureconnect.kit.errors import ApiError

__all__: list[str] = []


class End:
    """One socket; what it says goes to `others`."""

    __slots__ = ("_mine", "_others", "_socket")

    def __init__(self, mine: "set[Socket]", others: "set[Socket]", sock: Socket) -> None:
        self._mine, self._others, self._socket = mine, others, sock
        mine.add(sock)

    def text(self, payload: bytes) -> None:
        frame = text_frame(payload)
        for other in self._others:
            other.send(frame)

    def closed(self, code: int) -> None:
        self._mine.discard(self._socket)


class OpenGate:
    """Everybody may come in."""

    def __init__(self) -> None:
        self._sides: dict[str, set[Socket]] = {"/a": set(), "/b": set()}

    async def admit(self, request: UpgradeRequest) -> Admission:
        other = "/b" if request.path == "/a" else "/a"
        mine, others = self._sides[request.path], self._sides[other]

        def opened(sock: Socket) -> Receiver:
            return End(mine, others, sock)

        return Admission(None, 65_536, opened, lambda: None)

    def refuse(self, request: UpgradeRequest, error: ApiError) -> Refusal:
        return Refusal(error.code.status, [], b"")


async def serve() -> None:
    heartbeat = Heartbeat(clock=SystemClock(), idle_timeout=3_600)  # the peers here answer no pings
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        _not_found,
        http=http_protocol(render=lambda error: (error.code.status, [], b"")),
        ws=transport_factory(gate=OpenGate(), heartbeat=heartbeat),
        lifespan="off",
        log_config=None,
        access_log=False,
    )
    heartbeat.start()
    print(listener.getsockname()[1], flush=True)
    await uvicorn.Server(config).serve(sockets=[listener])


async def _not_found(scope: object, receive: object, send: object) -> None:
    raise NotImplementedError("there is no application here")


def main() -> None:
    import uvloop

    uvloop.run(serve())


if __name__ == "__main__":
    main()
