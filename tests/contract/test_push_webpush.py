"""Web Push: other implementations read what is sent, and no address of ours is connected to."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from secureconnect.infra.push.base import PushDelayed, PushGone, PushRefused, Target, TargetFault
from secureconnect.infra.push.destinations import AddressRefused, Destinations, is_public
from secureconnect.infra.push.encryption import MAX_PLAINTEXT, encrypt
from secureconnect.infra.push.vapid import Vapid, new_scalar, read_private_key, scalar_key, scalar_of
from secureconnect.infra.push.webpush import WebPush
from tests.contract.push_worlds import Time, push
from tests.mailbox import certificate, server_context
from tests.push_service import Browser, PushService


def decoded(value: str) -> bytes:
    return base64.urlsafe_b64decode(value + "==")


@pytest.fixture
def service() -> Iterator[PushService]:
    made = PushService()
    yield made
    made.close()
    assert made.faults == []


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
async def webpush(clock: Time) -> AsyncIterator[WebPush]:
    vapid = Vapid(scalar_key(new_scalar()), "mailto:op@example.test", clock)
    made = WebPush(vapid, Destinations(allow_private=True), clock, allow_http=True)
    yield made
    await made.close()


def target(browser: Browser, url: str) -> Target:
    return Target(
        provider="webpush", token=url, token_id="t", user_id="u", p256dh=browser.point, auth=browser.auth
    )


def test_the_example_of_rfc_8291() -> None:
    """Section 5 and appendix A, byte for byte."""
    scalar = int.from_bytes(decoded("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
    body = encrypt(
        b"When I grow up, I want to be a watermelon",
        decoded("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
        decoded("BTBZMqHH6r4Tts7J_aSIgg"),
        salt=decoded("DGv6ra1nlYgDCS1FRnbzlw"),
        private_key=ec.derive_private_key(scalar, ec.SECP256R1()),
        pad=False,
    )
    assert body == decoded(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6Tlz"
        "AC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=0, max_size=MAX_PLAINTEXT))
def test_whatever_is_encrypted_another_implementation_reads(plain: bytes) -> None:
    browser = Browser()
    body = encrypt(plain, browser.point, browser.auth)
    assert len(body) <= 4096
    assert browser.read(body) == plain


async def test_a_push_arrives_signed_and_readable(
    webpush: WebPush, service: PushService, clock: Time
) -> None:
    browser = Browser()
    here = target(browser, f"{service.url}/send/abc?x=1")
    await webpush.check(here)
    await webpush.send(here, push(urgent=True, expires_at=clock.now() + 45_999, topic="entry"))
    await webpush.send(here, push(push_id="0198-bb"))
    first, second = service.taken("/send/abc?x=1")
    assert browser.open(first.body) == {
        "delivery_id": "0197-aa",
        "kind": "message",
        "title": "New message",
        "body": "New message from Anna",
        "badge": 3,
        "data": {"conversation_id": "c1"},
    }
    assert (first.headers["ttl"], first.headers["urgency"]) == ("45", "high")
    assert (second.headers["urgency"], "topic" in second.headers) == ("normal", False)
    assert "entry" not in first.headers["topic"], "the service learns nothing"
    assert b"Anna" not in first.body
    signed = first.headers["authorization"].removeprefix("vapid t=").split(",")[0]
    claims = jwt.decode(signed, options={"verify_signature": False, "verify_aud": False, "verify_exp": False})
    assert (claims["sub"], claims["aud"]) == ("mailto:op@example.test", service.url)
    assert clock.now() // 1000 < claims["exp"] <= clock.now() // 1000 + 24 * 3600
    assert first.headers["authorization"] == second.headers["authorization"], "signed once for a while"


async def test_a_signature_is_renewed_before_its_end(clock: Time) -> None:
    vapid = Vapid(scalar_key(new_scalar()), "", clock)
    first = vapid.authorization("https://push.example.test/1")
    assert vapid.authorization("https://push.example.test/2") == first
    assert vapid.authorization("https://other.example.test/2") != first
    clock.move(7 * 3600)
    renewed = vapid.authorization("https://push.example.test/1")
    assert renewed != first
    claims = jwt.decode(
        renewed.split("t=")[1].split(",")[0],
        options={"verify_signature": False, "verify_aud": False, "verify_exp": False},
    )
    assert "sub" not in claims


def test_keys_are_raw_or_pem() -> None:
    raw = new_scalar()
    key = scalar_key(raw)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    padded = base64.urlsafe_b64encode(raw).decode()
    for text in (pem, padded, padded.rstrip("=")):
        assert scalar_of(text) == raw
    other = ec.generate_private_key(ec.SECP384R1())
    for wrong in (
        "",
        "short",
        "*" * 43,
        "A" * 43,  # zero
        "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----",
        other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    ):
        with pytest.raises(ValueError, match=r"."):
            read_private_key(wrong)


async def test_what_a_service_answers(webpush: WebPush, service: PushService, clock: Time) -> None:
    here = target(Browser(), f"{service.url}/1")

    async def sent(status: int, **headers: str) -> Any:
        service.answer(status, **headers)
        try:
            await webpush.send(here, push())
        except (PushDelayed, PushGone, PushRefused) as error:
            return error
        return None

    for status in (200, 201, 202, 204):
        assert await sent(status) is None
    for status in (404, 410):
        assert isinstance(await sent(status), PushGone)
    for status in (400, 401, 403, 413):
        assert isinstance(await sent(status), PushRefused)
    assert isinstance(await sent(302, Location="http://127.0.0.1:1/"), PushRefused), "nothing is followed"
    for status in (408, 429, 500, 503):
        delayed = await sent(status)
        assert (type(delayed), delayed.after, delayed.unreachable) == (PushDelayed, None, False)
    assert (await sent(429, **{"Retry-After": "120"})).after == 120
    assert (await sent(503, **{"Retry-After": "0"})).after == 1
    assert (await sent(503, **{"Retry-After": "Fri, 15 Jan 2027 08:00:30 GMT"})).after == 30
    assert (await sent(503, **{"Retry-After": "soon"})).after is None


async def test_a_long_text_is_cut_to_fit(webpush: WebPush, service: PushService) -> None:
    browser = Browser()
    here = target(browser, f"{service.url}/1")
    await webpush.send(here, push(title="T" * 255, body='"😀' * 3000))
    (taken,) = service.requests
    shown = browser.open(taken.body)
    assert len(taken.body) <= 4096
    assert shown["title"] == "T" * 255
    assert len(shown["body"]) > 300
    assert shown["body"].endswith("…")
    with pytest.raises(PushRefused):
        await webpush.send(here, push(data={str(number): "x" * 50 for number in range(100)}))


async def test_a_service_that_is_away(webpush: WebPush) -> None:
    with pytest.raises(PushDelayed) as caught:
        await webpush.send(target(Browser(), "http://127.0.0.1:9/x"), push())
    assert not caught.value.unreachable, "one service of many says nothing about us"
    with pytest.raises(PushDelayed):
        await webpush.send(target(Browser(), "http://no-such-host.invalid/x"), push())


async def test_an_endless_answer_is_not_read(webpush: WebPush) -> None:
    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 1000000000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 65536)
            try:
                await writer.drain()
            except ConnectionError:
                break
        writer.close()

    server = await asyncio.start_server(pour, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with asyncio.timeout(5):
        await webpush.send(target(Browser(), f"http://127.0.0.1:{port}/x"), push())
    server.close()


class Names:
    """A resolver that answers one address after the other, and remembers what it was asked."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return [self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]]


async def test_a_name_that_changes_its_mind_leads_nowhere(service: PushService, clock: Time) -> None:
    """DNS rebinding: public when it is registered, ours when something is sent."""
    names = Names("93.184.216.34", "127.0.0.1")
    vapid = Vapid(scalar_key(new_scalar()), "", clock)
    webpush = WebPush(vapid, Destinations(allow_private=False, resolve=names), clock, allow_http=True)
    here = target(Browser(), f"http://push.example.test:{service.url.rpartition(':')[2]}/x")
    await webpush.check(here)
    with pytest.raises(PushRefused, match="not public"):
        await webpush.send(here, push())
    assert service.requests == []
    assert names.asked == ["push.example.test", "push.example.test"], "asked once for each connection"
    await webpush.close()


async def test_tls_checks_the_name_though_an_address_is_connected_to(tmp_path: Path, clock: Time) -> None:
    pem = certificate(tmp_path)
    served = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0:2])
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server_context(pem))
    port = server.sockets[0].getsockname()[1]
    tls = ssl.create_default_context(cafile=str(pem))
    vapid = Vapid(scalar_key(new_scalar()), "", clock)
    webpush = WebPush(vapid, Destinations(allow_private=True, resolve=Names("127.0.0.1")), clock, tls=tls)
    await webpush.send(target(Browser(), f"https://localhost:{port}/x"), push())
    assert served == [[b"POST /x HTTP/1.1", f"Host: localhost:{port}".encode()]]
    with pytest.raises(PushDelayed):
        await webpush.send(target(Browser(), f"https://push.example.test:{port}/x"), push())
    assert len(served) == 1
    await webpush.close()
    server.close()


@pytest.mark.parametrize(
    ("url", "field"),
    [
        ("http://push.example.test/x", "token"),
        ("ftp://push.example.test/x", "token"),
        ("push.example.test", "token"),
        ("https://me:secret@push.example.test/x", "token"),
        ("https://push.example.test/ü", "token"),
        ("https://127.0.0.1/x", "token"),
        ("https://2130706433/x", "token"),
        ("https://127.1/x", "token"),
        ("https://localhost/x", "token"),
        ("https://10.1.2.3/x", "token"),
        ("https://192.168.0.1:8443/x", "token"),
        ("https://169.254.169.254/latest/meta-data", "token"),
        ("https://[::1]/x", "token"),
        ("https://[::ffff:10.0.0.1]/x", "token"),
        ("https://[fd00::1]/x", "token"),
        ("https://0.0.0.0/x", "token"),
    ],
)
async def test_addresses_of_ours_are_refused(url: str, field: str, clock: Time) -> None:
    vapid = Vapid(scalar_key(new_scalar()), "", clock)
    webpush = WebPush(vapid, Destinations(allow_private=False), clock)
    with pytest.raises(TargetFault) as fault:
        await webpush.check(target(Browser(), url))
    assert fault.value.field == field


async def test_keys_have_to_be_keys(webpush: WebPush, service: PushService) -> None:
    browser = Browser()
    for keys, field in (
        ({"p256dh": b""}, "keys.p256dh"),
        ({"p256dh": b"\x04" + b"x" * 64}, "keys.p256dh"),
        ({"auth": b"x" * 15}, "keys.auth"),
    ):
        values = {"p256dh": browser.point, "auth": browser.auth, **keys}
        wrong = Target("webpush", f"{service.url}/x", "t", "u", None, values["p256dh"], values["auth"])
        with pytest.raises(TargetFault) as fault:
            await webpush.check(wrong)
        assert fault.value.field == field


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::5db8:d822", True),
        ("127.8.8.8", False),
        ("100.64.0.1", False),
        ("172.31.0.1", False),
        ("198.18.0.1", False),
        ("192.0.2.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("fe80::1%eth0", False),
        ("::", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("2001:0:53aa:64c::1", False),
        ("ff02::1", False),
        ("::ffff:169.254.169.254", False),
        ("example.test", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


async def test_one_private_address_of_many_is_enough() -> None:
    async def both(host: str, port: int) -> list[str]:
        return ["93.184.216.34", "10.0.0.1"]

    with pytest.raises(AddressRefused):
        await Destinations(allow_private=False, resolve=both).addresses("x.example.test", 443)
