"""TURN against a real coturn with the shipped configuration: who gets a relay, and to whom it relays."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from secureconnect.infra.telemetry.metrics import Metrics
from secureconnect.infra.turn.base import IceServer
from secureconnect.infra.turn.probe import probe_ice_servers, probe_url, sign_of_life
from secureconnect.infra.turn.rest import RestCredentials
from secureconnect.infra.turn.session import TurnSession, connected
from secureconnect.infra.turn.urls import parse_ice_url
from secureconnect.kit.clock import SystemClock
from stack.certificates import make_certificate
from stack.coturn import Coturn
from stack.ports import free_port
from stack.server import MissingProgram

PATIENCE = 30.0
USER = "7e57ab1e-0000-4000-8000-000000000001"


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    """As it is shipped."""
    with _made(tmp_path_factory.mktemp("coturn"), loopback_peers=False) as server:
        yield server


@pytest.fixture(scope="module")
def relaying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    """One that relays to this machine."""
    with _made(tmp_path_factory.mktemp("relaying"), loopback_peers=True) as server:
        yield server


def _made(directory: Path, *, loopback_peers: bool) -> Coturn:
    try:
        return Coturn(directory, make_certificate(directory), loopback_peers=loopback_peers)
    except MissingProgram as missing:
        pytest.skip(str(missing))


def ours(coturn: Coturn) -> IceServer:
    """What the product gives to a user."""
    made = RestCredentials(coturn.urls, (), coturn.secret, 600, Metrics("test", "0").media)
    (server,), _ = made.for_user(USER, SystemClock().now())
    return server


async def test_a_relay_by_udp_tcp_and_tls(coturn: Coturn) -> None:
    server = ours(coturn)
    found = await probe_ice_servers(
        [server, IceServer(urls=(f"stun:127.0.0.1:{coturn.port}",))], tls=coturn.trust()
    )
    assert [finding.fault for finding in found] == [None] * 4
    assert [finding.url for finding in found] == [*coturn.urls, f"stun:127.0.0.1:{coturn.port}"]
    assert all((finding.relay or "").startswith("127.0.0.1:") for finding in found)
    assert all(0 < (finding.seconds or 0) < 5 for finding in found)


@pytest.mark.parametrize(
    ("lasts", "secret"),
    [(-1, None), (-86_400, None), (600, "another secret")],
    ids=["just", "long", "forged"],
)
async def test_expired_and_forged_credentials(coturn: Coturn, lasts: int, secret: str | None) -> None:
    server = coturn.credentials(USER, lasts=lasts, secret=secret)
    found = await probe_ice_servers([server], tls=coturn.trust())
    assert all("401" in (finding.fault or "") for finding in found)
    assert all("turn.secret" in (finding.fault or "") for finding in found)


async def test_a_changed_name_needs_another_password(coturn: Coturn) -> None:
    server = ours(coturn)
    later = str(server.username).replace("1", "2", 1)
    for name in (later, "", USER, f"{str(server.username)[:-1]}2"):
        finding = await probe_url(coturn.urls[0], name, str(server.credential))
        assert "401" in (finding.fault or "")


@pytest.mark.parametrize(
    "peer",
    [
        "127.0.0.1",
        "127.8.8.8",
        "10.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
    ],
)
async def test_no_way_into_private_networks(coturn: Coturn, peer: str) -> None:
    server = ours(coturn)
    async with connected(parse_ice_url(coturn.urls[0])) as link:
        session = TurnSession(link, str(server.username), str(server.credential))
        assert (await session.allocate()).error == 0
        assert (await session.permit(peer)).error == 403
        # Nothing is sent to this one, which stands for any public address (RFC 5737).
        assert (await session.permit("203.0.113.7")).error == 0
        assert (await session.release()).error == 0


async def test_what_is_wrong_is_named(coturn: Coturn) -> None:
    server = ours(coturn)
    name, password = str(server.username), str(server.credential)
    nobody = free_port()
    for transport in ("udp", "tcp"):
        finding = await probe_url(f"turn:127.0.0.1:{nobody}?transport={transport}", name, password, timeout=2)
        assert f"127.0.0.1:{nobody} by {transport.upper()}" in (finding.fault or "")
        assert "cannot be reached" in (finding.fault or "")
    # A certificate that nobody signed.
    finding = await probe_url(coturn.urls[2], name, password)
    assert f"127.0.0.1:{coturn.tls_port} by TLS shows a certificate that is refused" in (finding.fault or "")
    assert password not in (finding.fault or "")


async def test_something_else_listens_there() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(20)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    finding = await probe_url(f"turn:127.0.0.1:{port}?transport=tcp", "a", "b", timeout=2)
    assert f"127.0.0.1:{port} by TCP does not speak STUN" in (finding.fault or "")
    server.close()


async def test_a_sign_of_life_needs_one_server(coturn: Coturn) -> None:
    nowhere = f"turn:127.0.0.1:{free_port()}?transport=tcp"
    for url in coturn.urls:
        assert await sign_of_life([nowhere, url]) is not None, url
    assert await sign_of_life([nowhere]) is None


async def test_a_server_that_says_nothing() -> None:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
    )
    port = transport.get_extra_info("sockname")[1]
    finding = await probe_url(f"turn:127.0.0.1:{port}", "a", "b", timeout=0.2)
    assert "no answer from" in (finding.fault or "")
    transport.close()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_coturns_own_client_agrees(relaying: Coturn, transport: str) -> None:
    """It sends through two relays and back. By TLS this client of Debian's never ends its handshake."""
    program = shutil.which("turnutils_uclient")
    assert program is not None, "it comes with coturn"
    server = ours(relaying)
    for password, works in ((str(server.credential), True), ("forged", False)):
        arguments = ["-p", str(relaying.port), "-u", str(server.username), "-w", password]
        arguments += ["-n", "1", "-m", "1", "-y", "-c", *(["-t"] if transport == "tcp" else []), "127.0.0.1"]
        process = await asyncio.create_subprocess_exec(
            program, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert (process.returncode == 0) == works, said.decode(errors="replace")
        assert (b"Total lost packets 0 " in said) == works
