"""Memory of one idle socket in the bare socket layer.

`python -m bench.idle_sockets [count …]`. Resident memory of the server process; what the kernel holds for a
connection is not in it.
"""

import socket
import sys
from typing import Any

from bench.measure import Process, memory_bytes, raise_file_limit, table, versions
from bench.peers import connect_socket

__all__ = ["main", "run"]


def run(*, counts: tuple[int, ...] = (2_000, 10_000)) -> dict[str, Any]:
    """`bytes_per_socket` by number of sockets, `empty` the server's memory without any."""
    limit = raise_file_limit()
    if max(counts) + 100 > limit:
        raise RuntimeError(f"{max(counts)} sockets need more open files than the {limit} allowed")
    figures: dict[int, float] = {}
    with Process.running(Process.python("bench.bare_server", 204)) as server:
        port = int(server.hear())
        connect_socket(port, "/subscribe").close()
        while int(server.ask("count")) > 0:
            pass
        empty = memory_bytes(server.pid)
        peers: list[socket.socket] = []
        for count in counts:
            while len(peers) < count:
                peers.append(connect_socket(port, "/subscribe"))
            assert int(server.ask("count")) == count
            figures[count] = (memory_bytes(server.pid) - empty) / count
        for peer in peers:
            peer.close()
    return {"bytes_per_socket": figures, "empty": empty}


def main() -> None:
    counts = tuple(int(count) for count in sys.argv[1:]) or (2_000, 10_000)
    result = run(counts=counts)
    print(versions("uvicorn", "uvloop", "websockets"))
    print(
        table(
            "Resident memory of the server per idle socket, bare socket layer",
            ["sockets", "bytes each", "target"],
            [[count, round(size), "≤ 8192"] for count, size in result["bytes_per_socket"].items()],
        )
    )


if __name__ == "__main__":
    main()
