"""What uvicorn costs when the application does nothing: the smallest ASGI application there is.

`python -m bench.bare_http` serves on a free port of the loopback and prints it.
"""

import socket
from typing import Any

import uvicorn

__all__: list[str] = []

_START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
_BODY = {"type": "http.response.body", "body": b"{}"}


async def _application(scope: Any, receive: Any, send: Any) -> None:
    await send(_START)
    await send(_BODY)


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=1_024)
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(
        _application,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=3_600,
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
