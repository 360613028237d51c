"""Which address a request counts for (docs/reference/conventions.md §3.8)."""

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

__all__ = ["ClientAddress"]


class ClientAddress:
    """The peer address, or the right-most untrusted entry of `X-Forwarded-For` behind a trusted proxy."""

    def __init__(self, trusted_proxies: Sequence[str]) -> None:
        self._trusted = [ip_network(block, strict=False) for block in trusted_proxies]

    def of(self, peer: str, forwarded_for: str | None) -> str:
        """The client's address; what an untrusted peer claims is ignored."""
        if not self._trusted or not forwarded_for or not self._trusts(peer):
            return peer
        for hop in reversed(forwarded_for.split(",")):
            address = hop.strip()
            try:
                ip_address(address)
            except ValueError:
                return peer
            if not self._trusts(address):
                return address
            peer = address
        return peer

    def _trusts(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in block for block in self._trusted)
