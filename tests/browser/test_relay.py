"""Chromium through coturn alone: every transport carries video, and credentials that ended open nothing."""

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.async_api import Browser

from secureconnect.infra.turn.base import IceServer
from stack.certificates import make_certificate
from stack.coturn import Coturn
from stack.server import MissingProgram
from tests.browser.media import PAGES, chromium_with_media, open_page

pytestmark = pytest.mark.browser

FRAMES = 10


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    directory = tmp_path_factory.mktemp("coturn")
    try:
        server = Coturn(directory, make_certificate(directory), loopback_peers=True)
    except MissingProgram as missing:
        pytest.skip(f"NOT TRIED: {missing}")
    with server:
        yield server


def pin(coturn: Coturn) -> str:
    """The flag by which Chromium trusts this certificate."""
    certificate = x509.load_pem_x509_certificate(coturn.certificate.chain.read_bytes())
    public = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digest = base64.b64encode(hashlib.sha256(public).digest()).decode()
    return f"--ignore-certificate-errors-spki-list={digest}"


async def pair(browser: Browser, url: str, server: IceServer) -> Any:
    page = await open_page(browser, "http://localhost", PAGES / "pair.js")
    given = [{"urls": [url], "username": server.username, "credential": server.credential}]
    try:
        return await page.evaluate("([servers, frames]) => relayedPair(servers, frames)", [given, FRAMES])
    finally:
        await page.context.close()


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_video_by_relays_alone(chromium: str, coturn: Coturn, transport: str) -> None:
    url = dict(zip(("udp", "tcp", "tls"), coturn.urls, strict=True))[transport]
    if transport == "tls":
        url = url.replace("127.0.0.1", "localhost")
    async with chromium_with_media(chromium, pin(coturn)) as browser:
        seen = await pair(browser, url, coturn.credentials())
        assert (seen["local"], seen["remote"], seen["by"]) == ("relay", "relay", transport)
        assert seen["frames"] >= FRAMES
        for bad in (coturn.credentials(lasts=-1), coturn.credentials(secret="of somebody else")):
            refused = await pair(browser, url, bad)
            assert (refused["candidates"], refused["frames"]) == (0, 0)
            assert refused["refusals"]
