"""Ports of the loopback interface that nobody listens on."""

import random
import socket

__all__ = ["free_port", "free_ports"]

#: Below the ports that the kernel hands to outgoing connections: a server that is away for a moment finds
#: its own port free when it comes back.
_RANGE = range(12_000, 32_000)
_CHOICE = random.SystemRandom()


def free_ports(count: int) -> list[int]:
    """So many different ports, free for TCP at this moment."""
    found: list[int] = []
    while len(found) < count:
        port = _CHOICE.choice(_RANGE)
        if port not in found and _is_free(port):
            found.append(port)
    return found


def free_port() -> int:
    """One of them."""
    return free_ports(1)[0]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do it: what only waits for its last packets is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
