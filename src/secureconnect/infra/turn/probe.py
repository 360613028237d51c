"""Trying TURN and STUN servers the way a client would, to name the port that does not work."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Sequence
from typing import NamedTuple

from secureconnect.infra.turn.base import IceServer
from secureconnect.infra.turn.session import TurnSession, connected
from secureconnect.infra.turn.stun import Reply
from secureconnect.infra.turn.urls import IceAddress, parse_ice_url

__all__ = ["IceFinding", "probe_ice_servers", "probe_url", "sign_of_life"]

_TIMEOUT = 5.0
_HINTS = {
    401: "it does not take our credentials: turn.secret is not its static-auth-secret, or the clocks differ",
    403: "it forbids relaying to this address",
    437: "it already had an allocation of this address",
    486: "its quota of allocations is used up",
    508: "it has no relay ports left",
}


class IceFinding(NamedTuple):
    """What came of one URL. `fault` is None when it works, otherwise a sentence that names host, port and
    transport and holds no secret; `relay` is the address that was given, `seconds` how long that took."""

    url: str
    fault: str | None
    seconds: float | None = None
    relay: str | None = None

    @property
    def ok(self) -> bool:
        return self.fault is None


async def probe_ice_servers(
    servers: Sequence[IceServer], *, tls: ssl.SSLContext | None = None, timeout: float = _TIMEOUT
) -> list[IceFinding]:
    """Every URL of what a user would get (`IceServers.for_user`), all at the same time, in their order."""
    attempts = [
        probe_url(url, server.username or "", server.credential or "", tls=tls, timeout=timeout)
        for server in servers
        for url in server.urls
    ]
    return list(await asyncio.gather(*attempts))


async def probe_url(
    url: str, username: str, password: str, *, tls: ssl.SSLContext | None = None, timeout: float = _TIMEOUT
) -> IceFinding:
    """Allocate a relay and give it back, or ask a STUN server who we are. Raises nothing for what it finds.

    Args:
        tls: whom to trust instead of the authorities of this system.
        timeout: seconds for everything.
    """
    try:
        address = parse_ice_url(url)
    except ValueError as error:
        return IceFinding(url, f"{url}: {error}")
    place = f"{address.host}:{address.port} by {address.transport.upper()}"
    started = time.perf_counter()
    try:
        async with asyncio.timeout(timeout):
            reply = await _try(address, username, password, tls)
    except TimeoutError:
        return IceFinding(url, f"no answer from {place} within {timeout:g} s: a firewall, or not running")
    except ssl.SSLCertVerificationError as error:
        return IceFinding(url, f"{place} shows a certificate that is refused: {error.verify_message}")
    except OSError as error:
        return IceFinding(url, f"{place} cannot be reached: {error.strerror or type(error).__name__}")
    except EOFError:
        return IceFinding(url, f"{place} ended the connection without an answer")
    except ValueError as error:
        return IceFinding(url, f"{place} does not speak STUN: {error}")
    if reply.error:
        hint = _HINTS.get(reply.error, "")
        return IceFinding(
            url, f"{place} answered {reply.error} {reply.reason}".rstrip() + (hint and f": {hint}")
        )
    if address.scheme.startswith("turn") and not reply.signed:
        return IceFinding(url, f"{place} answered without knowing turn.secret")
    relay = f"{reply.address[0]}:{reply.address[1]}" if reply.address else None
    return IceFinding(url, None, time.perf_counter() - started, relay)


async def sign_of_life(urls: Sequence[str], *, timeout: float = 1.5) -> float | None:
    """Seconds until the first of these servers said who we are, which costs next to nothing; None when none
    did in time. Of a server by TLS only its listening is asked, its certificate is the doctor's business.
    """
    started = time.perf_counter()

    async def asked(url: str) -> bool:
        address = parse_ice_url(url)
        if address.transport == "tls":
            _, writer = await asyncio.open_connection(address.host, address.port)
            writer.close()
            return True
        async with connected(address) as link:
            return not (await TurnSession(link, "", "").bind()).error

    waiting = {asyncio.create_task(asked(url)) for url in urls}
    try:
        async with asyncio.timeout(timeout):
            for done in asyncio.as_completed(waiting):
                with contextlib.suppress(OSError, EOFError, ValueError):
                    if await done:
                        return time.perf_counter() - started
    except TimeoutError:
        pass
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    return None


async def _try(address: IceAddress, username: str, password: str, tls: ssl.SSLContext | None) -> Reply:
    async with connected(address, tls) as link:
        session = TurnSession(link, username, password)
        if address.scheme.startswith("stun"):
            return await session.bind()
        reply = await session.allocate()
        if not reply.error:
            await session.release()
        return reply
