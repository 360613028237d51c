"""Which servers take which keys: one, the master that Sentinels name, or the masters of a cluster."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
from redis.crc import key_slot

from secureconnect.infra.redis.address import Address
from secureconnect.infra.redis.line import Line, LineLost, Refused, open_line

__all__ = ["Topology", "discover"]

Node = tuple[str, int]


class Topology(msgspec.Struct, frozen=True):
    """`nodes` that hold keys; `owners` has an index of `nodes` for each slot of a cluster, else None."""

    nodes: tuple[Node, ...]
    owners: tuple[int, ...] | None = None

    def owner(self, key: bytes) -> int:
        """The index of the node that takes `key`."""
        return 0 if self.owners is None else self.owners[key_slot(key)]


async def discover(address: Address, timeout: float, known: Sequence[Node] = ()) -> Topology:
    """Find out. `known` are nodes of a cluster that were seen before.

    Raises:
        OSError, TimeoutError, Refused: nobody answered well.
    """
    if address.mode == "single":
        return Topology(address.hosts or (("", 0),))
    problem: Exception = LineLost("nobody to ask")
    async with asyncio.timeout(timeout):
        for host, port in dict.fromkeys((*address.hosts, *known)):
            try:
                line = await open_line(
                    address, host, port, timeout=timeout / 2, sentinel=address.mode == "sentinel"
                )
                try:
                    return await (_ask_sentinel if address.mode == "sentinel" else _ask_node)(
                        line, address, host
                    )
                finally:
                    line.close()
            except (OSError, TimeoutError, Refused) as error:
                problem = error
    raise problem


async def _ask_sentinel(line: Line, address: Address, _host: str) -> Topology:
    answer = await line.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", address.master)
    if answer is None:
        raise LineLost("the Sentinels know no such master")
    return Topology(((answer[0].decode(), int(answer[1])),))


async def _ask_node(line: Line, _address: Address, host: str) -> Topology:
    ranges: list[Any] = await line.ask("CLUSTER", "SLOTS")
    nodes: dict[Node, int] = {}
    owners = [-1] * 16384
    for first, last, master, *_replicas in ranges:
        # A node that does not know its own address is the one that was asked.
        node = (master[0].decode() if master[0] else host, int(master[1]))
        index = nodes.setdefault(node, len(nodes))
        owners[first : last + 1] = [index] * (last + 1 - first)
    if -1 in owners:
        raise LineLost("the cluster does not serve every slot")
    return Topology(tuple(nodes), tuple(owners))
