"""The shipped nginx configuration, in a real nginx."""

import contextlib
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from stack.certificates import Certificate, make_certificate
from stack.nginx import TEMPLATES, Nginx, render
from stack.ports import free_port
from tests.deploy.echo import Echo

UPGRADE = {"connection": "upgrade", "upgrade": "websocket"}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def echoes() -> Iterator[dict[str, Echo]]:
    names = ("gateway", "chat1", "chat2", "video1", "video2", "video3")
    made = {name: Echo(name, status=503 if name == "chat1" else 200) for name in names}
    yield made
    for echo in made.values():
        echo.close()


@contextlib.contextmanager
def fronted(
    tmp_path: Path, certificate: Certificate, echoes: dict[str, Echo], **more: Any
) -> Iterator[Nginx]:
    def of(role: str) -> list[str]:
        return [echo.address for name, echo in echoes.items() if name.startswith(role)]

    with Nginx(
        tmp_path / "nginx",
        gateway=of("gateway"),
        chat=of("chat"),
        video=of("video"),
        certificate=certificate.chain,
        key=certificate.key,
        **more,
    ) as nginx:
        yield nginx


def test_requests_go_to_the_gateway_and_sockets_to_their_roles(
    tmp_path: Path, certificate: Certificate, echoes: dict[str, Echo]
) -> None:
    """Upgrades are passed on for sockets alone, and what the caller says of itself is not believed."""
    with fronted(tmp_path, certificate, echoes) as nginx, httpx.Client(base_url=nginx.url) as client:
        forged = {"x-forwarded-for": "203.0.113.9", "x-forwarded-host": "evil.example", "forwarded": "for=1"}
        got = client.get("/v1/users/me?x=1", headers={**forged, **UPGRADE, "x-request-id": "mine"}).json()
        assert (got["name"], got["path"]) == ("gateway", "/v1/users/me?x=1")
        assert got["headers"]["x-forwarded-for"] == "127.0.0.1"
        assert got["headers"]["x-forwarded-proto"] == "http"
        assert got["headers"]["x-request-id"] == "mine"
        assert not {"upgrade", "forwarded", "x-forwarded-host"} & got["headers"].keys()

        got = client.get("/v1/ws/signaling?call_id=a", headers=UPGRADE).json()
        assert got["name"].startswith("video")
        assert got["headers"]["upgrade"] == "websocket"
        assert client.get("/v1/ws/signalingx", headers=UPGRADE).json()["name"] == "gateway"
        # The other chat process is about to stop.
        for _ in range(4):
            assert client.get("/v1/ws/chat", headers=UPGRADE).json()["name"] == "chat2"
    assert echoes["chat1"].asked


def test_one_call_is_one_process(tmp_path: Path, certificate: Certificate, echoes: dict[str, Echo]) -> None:
    """Calls are spread, each stays where it is, and where its process goes away it finds another."""
    with fronted(tmp_path, certificate, echoes) as nginx, httpx.Client(base_url=nginx.url) as client:

        def place(call: int) -> str:
            return str(client.get(f"/v1/ws/signaling?call_id={call}", headers=UPGRADE).json()["name"])

        places = {call: place(call) for call in range(60)}
        assert set(places.values()) == {"video1", "video2", "video3"}
        assert {call: place(call) for call in range(60)} == places
        echoes.pop("video2").close()
        moved = {call: place(call) for call in range(60)}
        assert set(moved.values()) == {"video1", "video3"}
        kept = [call for call in range(60) if places[call] != "video2"]
        assert [moved[call] for call in kept] == [places[call] for call in kept]


def test_what_is_not_public(tmp_path: Path, certificate: Certificate, echoes: dict[str, Echo]) -> None:
    """Metrics and readiness are not, however they are written. Its own health needs nobody."""
    with fronted(tmp_path, certificate, echoes) as nginx, httpx.Client(base_url=nginx.url) as client:
        for path in ("/metrics", "/readyz", "//metrics", "/%6detrics", "/metrics?x=1", "/a/../readyz"):
            answer = client.send(client.build_request("GET", nginx.url + path))
            assert answer.status_code == 404, path
            assert answer.json()["error"]["code"] == "NOT_FOUND"
        assert not echoes["gateway"].asked
        health = client.get("/health").json()
        assert health.keys() == {"status", "service", "timestamp"}
        assert (health["status"], health["service"]) == ("healthy", "nginx")


def test_its_own_refusals_look_like_ours(tmp_path: Path, certificate: Certificate) -> None:
    """Nobody behind it, and requests that it cannot read: the envelope, with the id of the request."""
    nobody = f"127.0.0.1:{free_port()}"
    with (
        Nginx(
            tmp_path / "nginx",
            gateway=[nobody],
            chat=[nobody],
            video=[nobody],
            certificate=certificate.chain,
            key=certificate.key,
        ) as nginx,
        httpx.Client(base_url=nginx.url) as client,
    ):
        for path, method, headers, status, code in (
            ("/v1/x", "GET", {}, 502, "BAD_GATEWAY"),
            ("/v1/ws/chat", "GET", UPGRADE, 502, "BAD_GATEWAY"),
            (f"/{'x' * 40_000}", "GET", {}, 414, "URI_TOO_LONG"),
            ("/", "GET", {"a": "x" * 40_000}, 431, "HEADERS_TOO_LARGE"),
        ):
            answer = client.request(method, path, headers=headers)
            body = answer.json()
            assert (answer.status_code, body["success"], body["error"]["code"]) == (status, False, code)
            assert body["meta"]["request_id"] == answer.headers["x-request-id"]
            assert ("retry-after" in answer.headers) == (status == 502)


def test_tls(tmp_path: Path, certificate: Certificate, echoes: dict[str, Echo]) -> None:
    """Not older than 1.2, with HSTS once, and the roles learn that it was TLS."""
    with fronted(tmp_path, certificate, echoes, store=[echoes["gateway"].address]) as nginx:
        trust = ssl.create_default_context(cafile=str(certificate.chain))
        with httpx.Client(base_url=nginx.tls_url, verify=trust) as client:
            answer = client.get("/v1/users/me")
            assert answer.json()["headers"]["x-forwarded-proto"] == "https"
            assert answer.headers.get_list("strict-transport-security") == [
                "max-age=31536000; includeSubDomains"
            ]
            store = client.get("/bucket/key?X-Amz-Signature=1", headers={"host": "files.localhost"}).json()
            assert (store["name"], store["headers"]["host"]) == ("gateway", "files.localhost")
        with httpx.Client(base_url=nginx.url) as client:
            assert "strict-transport-security" not in client.get("/v1/users/me").headers
        assert "ssl_protocols TLSv1.2 TLSv1.3;" in (tmp_path / "nginx" / "nginx.conf").read_text()


def test_a_trusted_proxy_in_front_names_the_client(
    tmp_path: Path, certificate: Certificate, echoes: dict[str, Echo]
) -> None:
    with (
        fronted(tmp_path, certificate, echoes, trusted=["127.0.0.0/8"]) as nginx,
        httpx.Client(base_url=nginx.url) as client,
    ):
        got = client.get("/", headers={"x-forwarded-for": "198.51.100.1, 203.0.113.9, 127.0.0.2"}).json()
        assert got["headers"]["x-forwarded-for"] == "203.0.113.9"


def test_queries_are_not_logged(tmp_path: Path, certificate: Certificate, echoes: dict[str, Echo]) -> None:
    """Tickets and signatures stand in them; also where nobody answers."""
    with fronted(tmp_path, certificate, echoes) as nginx, httpx.Client(base_url=nginx.url) as client:
        client.get("/v1/ws/chat?ticket=hidden-one", headers=UPGRADE)
        echoes.pop("gateway").close()
        assert client.get("/v1/storage/objects/a?signature=hidden-two").status_code == 502
    text = nginx.log.read_text()
    assert "hidden" not in text
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert [(line["path"], line["status"]) for line in lines] == [
        ("/v1/ws/chat", 200),
        ("/v1/storage/objects/a", 502),
    ]


def test_names_that_nobody_knows_yet_stop_nothing(tmp_path: Path, certificate: Certificate) -> None:
    """With the addresses of the shipped Compose file, and no name server: it starts, and says that nobody is
    there."""
    nginx = Nginx(
        tmp_path / "nginx",
        gateway=["api-gateway:8080 resolve"],
        chat=["chat-service:8082 resolve"],
        video=["video-service:8083 resolve"],
        certificate=certificate.chain,
        key=certificate.key,
        resolver=f"127.0.0.1:{free_port()}",
    )
    with nginx, httpx.Client(base_url=nginx.url) as client:
        assert client.get("/health").status_code == 200
        assert client.get("/v1/users/me").json()["error"]["code"] == "BAD_GATEWAY"
        assert "host not found" not in nginx.last_words()


def test_every_variable_is_one_that_the_container_gets() -> None:
    """A name that is nowhere set would stay as it is written."""
    with pytest.raises(KeyError):
        render("${NGINX_NOBODY_SETS_THIS}", {})
    assert {path.name for path in TEMPLATES.iterdir()} == {
        "headers.conf.template",
        "health.conf.template",
        "nginx.conf.template",
        "product.conf.template",
        "redirect.conf.template",
        "refusals.conf.template",
        "socket.conf.template",
    }
