"""Ports of the loopback interface that nobody listens on, and that nobody else is given."""

import atexit
import itertools
import random
import socket

__all__ = ["free_port", "free_ports"]

#: Below the ports that the kernel hands to outgoing connections: a server that is away for a moment finds
#: its own port free when it comes back.
_RANGE = range(12_000, 32_000)
#: A process takes ports from blocks that are its own: between being given and being listened on, a port is
#: free for everybody.
_BLOCK = 400


class _Block:
    """Ports of this process alone, as long as it lives: it holds the first one, and gives the others in turn,
    so that the one given longest ago comes next."""

    def __init__(self) -> None:
        starts = list(_RANGE[::_BLOCK])
        random.SystemRandom().shuffle(starts)
        for start in starts:
            self._held = socket.socket()
            try:
                self._held.bind(("127.0.0.1", start))
            except OSError:
                self._held.close()
                continue
            atexit.register(self._held.close)
            self._ports = itertools.cycle(range(start + 1, start + _BLOCK))
            return
        raise OSError(f"no block of ports from {_RANGE.start} to {_RANGE.stop} is left")

    def free(self, count: int) -> list[int]:
        """The next `count` that are free at this moment, all different; fewer when there are no more."""
        turn = itertools.islice(self._ports, _BLOCK - 1)
        return list(itertools.islice(filter(_is_free, turn), count))


_BLOCKS: list[_Block] = []


def free_ports(count: int) -> list[int]:
    """So many different ports, less than a block has, free for TCP at this moment.

    Raises OSError when there are none.
    """
    assert count < _BLOCK
    for block in _BLOCKS:
        if len(ports := block.free(count)) == count:
            return ports
    _BLOCKS.append(_Block())
    return free_ports(count)


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
