"""Which address a request counts for (docs/reference/conventions.md §3.8)."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

__all__ = ["ClientAddress"]

Address = IPv4Address | IPv6Address

# How an IPv6 socket names its IPv4 peers.
_MAPPED = "::ffff:"


class ClientAddress:
    """The peer address, or the right-most untrusted entry of `X-Forwarded-For` behind a trusted proxy."""

    def __init__(self, trusted_proxies: Sequence[str]) -> None:
        self._trusted = [ip_network(block, strict=False) for block in trusted_proxies]

    def of(self, peer: str, forwarded_for: str | None) -> str:
        """The client's address; what an untrusted peer claims is ignored."""
        client = peer.removeprefix(_MAPPED)
        if not self._trusted or not forwarded_for or not self._trusts(_parse(client)):
            return client
        for hop in reversed(forwarded_for.split(",")):
            address = _parse(hop.strip())
            if address is None:
                return client
            client = str(address)
            if not self._trusts(address):
                return client
        return client

    def _trusts(self, address: Address | None) -> bool:
        return address is not None and any(address in block for block in self._trusted)


def _parse(text: str) -> Address | None:
    """The address, so that each client has one spelling; None for what is none."""
    try:
        address = ip_address(text.removeprefix(_MAPPED))
    except ValueError:
        return None
    return None if "%" in text else address
