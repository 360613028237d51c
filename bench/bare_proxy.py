"""The least that a hop costs in this language: a request is passed on and its answer passed back, unread.

`python -m bench.bare_proxy PORT` serves on a free port of the loopback and prints it; all goes to PORT.
"""

import asyncio
import socket
import sys
from typing import Any

import uvicorn

from secureconnect.gateway.upstream import Connection

__all__: list[str] = []


def main() -> None:
    behind = int(sys.argv[1])
    resting: list[Connection] = []

    async def application(scope: Any, _: Any, send: Any) -> None:
        if resting:
            connection = resting.pop()
        else:
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_connection(lambda: Connection(loop), "127.0.0.1", behind)
        lines = [b"GET %b HTTP/1.1\r\n" % scope["raw_path"]]
        lines += [b"%b: %b\r\n" % header for header in scope["headers"]]
        connection.begin(b"".join([*lines, b"\r\n"]))
        await connection.head(30)
        body = b""
        while not connection.whole:
            body += await connection.chunk(30)
        body += connection.rest()
        start = {"type": "http.response.start", "status": connection.status, "headers": connection.headers}
        await send(start)
        await send({"type": "http.response.body", "body": body})
        resting.append(connection)

    listener = socket.create_server(("127.0.0.1", 0), backlog=1_024)
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(
        application,
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
