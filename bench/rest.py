"""Server CPU per HTTP request, against uvicorn with an application that does nothing, in turns."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from bench.chatters import TEXT_BYTES
from bench.measure import Process, cpu_seconds, median, table
from bench.product import Product
from bench.requesters import request_bytes
from bench.verdict import Verdict

__all__ = ["Bare", "bare_uvicorn", "run"]

_CONNECTIONS = 16
_ROWS = 50


class Bare(NamedTuple):
    """The bare server and the clients that load it and any other server."""

    server: Process
    port: int
    clients: Process

    def sample(self, requests: int, *, connections: int = _CONNECTIONS) -> float:
        """Seconds of CPU per bare response."""
        return self.cost(self.server.pid, self.port, request_bytes("GET", "/"), requests, connections)

    def cost(
        self, pid: int, port: int, request: bytes, requests: int, connections: int = _CONNECTIONS
    ) -> float:
        """Seconds of CPU that the server `pid` uses for one `request`."""
        before = cpu_seconds(pid)
        self.clients.ask(f"{port} {connections} {requests} {request.hex()}")
        return (cpu_seconds(pid) - before) / requests


@contextmanager
def bare_uvicorn(core: int) -> Iterator[Bare]:
    """Both processes on `core`, for the length of the block."""
    with (
        Process.running(Process.python("bench.bare_http"), core=core) as server,
        Process.running(Process.python("bench.requesters"), core=core) as clients,
    ):
        port = int(server.hear())
        clients.hear()
        yield Bare(server, port, clients)


def run(product: Product, bare: Bare, *, rounds: int, requests: int) -> tuple[str, list[Verdict]]:
    """A table and what became of the target. One round is one sample of everything."""
    one, other = product.accounts[:2]
    conversation_id = product.group([one, other])
    message = {"conversation_id": conversation_id, "content": "x" * TEXT_BYTES}
    for _ in range(_ROWS):
        product.call(one.token, "POST", "/v1/messages", message)
    page = f"/v1/messages?conversation_id={conversation_id}&limit={_ROWS}"
    body = json.dumps(message).encode()
    kinds = {
        "GET /v1/users/me": (request_bytes("GET", "/v1/users/me", token=one.token), requests),
        f"GET /v1/messages, {_ROWS} rows": (request_bytes("GET", page, token=one.token), requests // 5),
        "POST /v1/messages, synced": (
            request_bytes("POST", "/v1/messages", token=one.token, body=body),
            requests // 2,
        ),
    }
    bare_costs: list[float] = []
    costs: dict[str, list[float]] = {name: [] for name in kinds}
    ratios: dict[str, list[float]] = {name: [] for name in kinds}
    for turn in range(rounds + 1):
        reference = bare.sample(requests)
        measured = {
            name: bare.cost(product.pid, product.port, request, count)
            for name, (request, count) in kinds.items()
        }
        if turn:  # the first warms up
            bare_costs.append(reference)
            for name, cost in measured.items():
                costs[name].append(cost)
                ratios[name].append(cost / reference)
    rows: list[list[object]] = [["bare uvicorn response", median(bare_costs) * 1e6, 1.0]]
    rows += [[name, median(costs[name]) * 1e6, median(ratios[name])] for name in kinds]
    text = table(
        f"Server CPU per request, {_CONNECTIONS} kept connections, one core", ["", "µs", "× bare"], rows
    )
    return text, [Verdict("GET /v1/users/me, × bare response", median(ratios["GET /v1/users/me"]), 8.0)]
