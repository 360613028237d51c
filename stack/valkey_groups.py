"""Real Valkey servers in company: a cluster, or a primary with Sentinels."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from stack.ports import free_port
from stack.server import NotReady
from stack.valkey import Valkey, program

__all__ = ["Sentinel", "ValkeyCluster", "ValkeyGroup"]

_PATIENCE = 30.0
_SLOTS = 16_384
_PRIMARY = "secureconnect"


class ValkeyCluster:
    """Primaries that share the slots; no replicas. Each node is a `Valkey` of its own."""

    def __init__(self, directory: Path, size: int = 3) -> None:
        self.nodes = [
            Valkey(
                directory / f"node{number}",
                name=f"valkey{number}",
                cluster_enabled="yes",
                cluster_config_file="nodes.conf",
                cluster_node_timeout="2000",
                cluster_port=str(free_port()),
                # A part of the slots is better than none, as it is run in production.
                cluster_require_full_coverage="no",
            )
            for number in range(size)
        ]
        self._formed = False

    @property
    def url(self) -> str:
        """Of the first node."""
        return f"redis+cluster://127.0.0.1:{self.nodes[0].port}/0"

    def start(self) -> None:
        """Start all nodes, and form the cluster when they do not know each other yet."""
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.wait()
        if not self._formed:
            self._form()
        _until(lambda: all(self._is_whole(node) for node in self.nodes), "the cluster is not whole")

    def stop(self) -> None:
        """Stop all nodes."""
        for node in self.nodes:
            node.stop()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _form(self) -> None:
        size = len(self.nodes)
        for number, node in enumerate(self.nodes):
            with node.client() as client:
                first, last = _SLOTS * number // size, _SLOTS * (number + 1) // size - 1
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
                client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
                for other in self.nodes[:number]:
                    bus = other._settings["cluster-port"]
                    client.execute_command("CLUSTER", "MEET", "127.0.0.1", other.port, bus)
        self._formed = True

    def _is_whole(self, node: Valkey) -> bool:
        with node.client() as client:
            info = client.execute_command("CLUSTER", "INFO")
            known = client.execute_command("CLUSTER", "NODES")
        text = info if isinstance(info, str) else str(info)
        return "ok" in text and str(known).count("connected") >= len(self.nodes)


class Sentinel(Valkey):
    """A Sentinel that watches the primary at `port`."""

    name = "sentinel"

    def __init__(self, directory: Path, primary: Valkey, quorum: int, name: str | None = None) -> None:
        super().__init__(directory, name=name)
        self._file = directory / "sentinel.conf"
        self._file.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {directory}\n"
            f"sentinel monitor {_PRIMARY} 127.0.0.1 {primary.port} {quorum}\n"
            f"sentinel down-after-milliseconds {_PRIMARY} 500\n"
            f"sentinel failover-timeout {_PRIMARY} 2000\n"
        )

    def command(self) -> Sequence[str]:
        return [program(), str(self._file), "--sentinel"]


class ValkeyGroup:
    """A primary, a replica, and Sentinels that put the replica in its place when the primary is gone."""

    def __init__(self, directory: Path, sentinels: int = 3) -> None:
        self.primary = Valkey(directory / "primary", name="primary")
        self.replica = Valkey(
            directory / "replica", name="replica", replicaof=f"127.0.0.1 {self.primary.port}"
        )
        quorum = sentinels // 2 + 1
        self.sentinels = [
            Sentinel(directory / f"sentinel{number}", self.primary, quorum, name=f"sentinel{number}")
            for number in range(sentinels)
        ]

    @property
    def url(self) -> str:
        """Of the group, by its Sentinels."""
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{_PRIMARY}/0"

    def start(self) -> None:
        """Start all; returns once the Sentinels know each other and the replica follows."""
        self.primary.start()
        for server in (self.replica, *self.sentinels):
            server.launch()
        for server in (self.replica, *self.sentinels):
            server.wait()
        _until(self._is_whole, "the Sentinels do not see the whole group")

    def stop(self) -> None:
        """Stop all."""
        for server in (*self.sentinels, self.replica, self.primary):
            server.stop()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _is_whole(self) -> bool:
        for sentinel in self.sentinels:
            with sentinel.client() as client:
                state = client.sentinel_master(_PRIMARY)
            if state["num-slaves"] < 1 or state["num-other-sentinels"] < len(self.sentinels) - 1:
                return False
        with self.replica.client() as client:
            return bool(client.info("replication")["master_link_status"] == "up")


def _until(condition: Callable[[], bool], complaint: str) -> None:
    end = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise NotReady(complaint)
        time.sleep(0.02)
