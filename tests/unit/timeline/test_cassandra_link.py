"""Connecting to a Cassandra node that takes connections and never answers."""

import asyncio
import socket

from secureconnect.infra.timeline.cassandra_link import Cluster, Cql, Link

_ANY = Cql("SELECT", "system", "SELECT * FROM system.local")


async def test_a_request_given_up_does_not_wait_for_the_driver_to_connect() -> None:
    """The driver frees a session only once its connecting has ended, in the thread of the event loop."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        link = Link(Cluster(("127.0.0.1",), silent.getsockname()[1], timeout=2.0))
        request = asyncio.create_task(link.row(_ANY))
        asked, _ = await loop.sock_accept(silent)
        with asked:
            asked.setblocking(False)
            assert await loop.sock_recv(asked, 4096)
            request.cancel()
            await asyncio.gather(request, return_exceptions=True)
            assert request.cancelled()
            assert _is_open(asked), "the driver gave up before the loop went on"
            await link.close()


def _is_open(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
