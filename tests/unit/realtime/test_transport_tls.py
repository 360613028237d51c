"""The same bytes under TLS, whose transports have habits of their own."""

import asyncio
import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.transport import TransportLimits
from secureconnect.edge.realtime.wire import text_frame
from tests.unit.serving import Door, Visit, serving, until

OFFER = [Subprotocol("secureconnect.v1")]


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server that names itself 127.0.0.1, and clients that believe it."""
    folder: Path = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    chain = folder / "chain.pem"
    chain.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(chain)
    client = ssl.create_default_context(cafile=chain)
    client.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return server, client


Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


async def test_talk_and_close(contexts: Contexts) -> None:
    def echo(visit: Visit, payload: bytes) -> None:
        visit.socket.send(text_frame(payload))

    door = Door()
    door.on_text = echo
    door.max_frame_bytes = 1_000_000
    async with serving(door=door, tls=contexts[0]) as place:
        url = place.url.replace("ws:", "wss:")
        async with connect(url, subprotocols=OFFER, ssl=contexts[1], max_size=None) as client:
            for size in (1, 1_000, 500_000):
                await client.send("x" * size)
                assert await client.recv() == "x" * size
            assert door.requests[0].secure
            for number in range(100):
                door.visits[0].socket.send(text_frame(b"%d" % number))
            assert [await client.recv() for _ in range(100)] == [str(number) for number in range(100)]
            door.visits[0].socket.close(CloseCode.BANNED)
            with pytest.raises(ConnectionClosed):
                await client.recv()
            assert client.close_code == 4004
        await until(lambda: door.visits[0].codes)


async def test_too_much(contexts: Contexts) -> None:
    async with serving(tls=contexts[0], limits=TransportLimits(close_timeout=0.5)) as place:
        url = place.url.replace("ws:", "wss:")
        async with connect(url, subprotocols=OFFER, ssl=contexts[1]) as client:
            await client.send("x" * 50_000)
            with pytest.raises(ConnectionClosed):
                await client.recv()
            assert client.close_code == 4009
        visit = await place.visit()
        await until(lambda: visit.codes)
        assert visit.codes == [4009]


async def test_a_slow_consumer(contexts: Contexts) -> None:
    limits = TransportLimits(send_buffer_frames=100, close_timeout=0.2)
    async with serving(tls=contexts[0], limits=limits) as place:
        url = place.url.replace("ws:", "wss:")
        async with connect(url, subprotocols=OFFER, ssl=contexts[1], max_queue=1) as client:
            visit = await place.visit()
            client.transport.pause_reading()
            total = 0
            while visit.socket.open:
                assert total < 10_000
                visit.socket.send(text_frame(b"x" * 2_000))
                await asyncio.sleep(0)
                total += 1
            await until(lambda: visit.codes)
            assert visit.codes == [4008]
            client.transport.abort()
