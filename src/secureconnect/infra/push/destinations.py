"""Where a subscription may point: anybody can name any URL, so none of it leads into networks of ours."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable

__all__ = ["AddressRefused", "Destinations", "Resolver", "is_public"]

#: Host and port to IP addresses; raises OSError.
Resolver = Callable[[str, int], Awaitable[list[str]]]

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class AddressRefused(Exception):
    """The host is, or leads to, an address that is not public."""


def is_public(address: str) -> bool:
    """Whether an IP address can only belong to somebody on the internet; False for what is none."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if inner is None and parsed in _NAT64:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(str(inner))
    return parsed.is_global and not parsed.is_multicast


async def _resolve(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Destinations:
    """Turns hosts into addresses that may be connected to.

    Args:
        allow_private: every address is allowed.
    """

    def __init__(self, *, allow_private: bool, resolve: Resolver = _resolve) -> None:
        self._allow_private = allow_private
        self._resolve = resolve

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of `host`, of which none is in a network of ours.

        Raises:
            AddressRefused: one of them is.
            OSError: it has none.
        """
        found = await self._resolve(host, port)
        if not self._allow_private and not all(map(is_public, found)):
            raise AddressRefused
        return found

    async def allowed(self, host: str, port: int, *, timeout: float) -> bool:
        """False when `host` is known to lead to an address that is refused; a host that nobody knows now
        is looked at again when something is sent there."""
        try:
            async with asyncio.timeout(timeout):
                await self.addresses(host, port)
        except AddressRefused:
            return False
        except (OSError, UnicodeError, TimeoutError):
            return True
        return True
