"""A push service and the browsers behind it, for tests: what RFC 8030, 8291 and 8292 ask, checked with other
implementations (http_ece, py_vapid) than the server's own.
"""

import base64
import json
import os
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import http_ece  # type: ignore[import-untyped]
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02  # type: ignore[import-untyped]

__all__ = ["Browser", "PushService", "Pushed"]


def text(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Browser:
    """One subscription: its keys, and what only it can read."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.auth = os.urandom(16)
        self.point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    @property
    def keys(self) -> dict[str, str]:
        """As `PushSubscription.toJSON()` gives them."""
        return {"p256dh": text(self.point), "auth": text(self.auth)}

    def read(self, body: bytes) -> bytes:
        """What a push brought."""
        plain = http_ece.decrypt(body, private_key=self._key, auth_secret=self.auth, version="aes128gcm")
        return bytes(plain)

    def open(self, body: bytes) -> Any:
        """The JSON that a push brought."""
        return json.loads(self.read(body))


class Pushed(NamedTuple):
    """One request to the service, header names in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    status: int


class PushService:
    """Listens on a free port of this machine and answers 201, or what a test wants first.

    Every request has to be signed rightly for this service, by the address that it is `known_as`.
    """

    def __init__(self, known_as: str | None = None) -> None:
        self._known_as = known_as
        self.requests: list[Pushed] = []
        self.faults: list[str] = []
        self._answers: list[tuple[int, dict[str, str]]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:  # the name is the base class's
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, extra = service.take(self.path, headers, body)
                self.send_response(status)
                for name, value in extra.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as in the base class
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, *statuses: int, **headers: str) -> None:
        """Answer the next requests with these."""
        self._answers += [(status, headers) for status in statuses]

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str]]:
        status, extra = self._answers.pop(0) if self._answers else (201, {"Location": "/message/1"})
        self.faults += self._faults(headers, body)
        self.requests.append(Pushed(path, headers, body, status))
        return status, extra

    def taken(self, path: str) -> list[Pushed]:
        """What was posted there and accepted."""
        return [one for one in self.requests if one.path == path and one.status == 201]

    def _faults(self, headers: Mapping[str, str], body: bytes) -> list[str]:
        faults = []
        scheme, _, fields = headers.get("authorization", "").partition(" ")
        parts = dict(part.strip().split("=", 1) for part in fields.split(",") if "=" in part)
        if scheme != "vapid" or not Vapid02.verify(f"vapid t={parts['t']},k={parts['k']}"):
            faults.append("the signature is wrong")
        else:
            claims = jwt.decode(parts["t"], options={"verify_signature": False})
            if claims["aud"] != (self._known_as or self.url) or urlsplit(claims["aud"]).path:
                faults.append(f"meant for {claims['aud']}")
        if not headers.get("ttl", "").isdigit():
            faults.append("no TTL")
        if headers.get("content-encoding") != "aes128gcm" or len(body) > 4096:
            faults.append("not as RFC 8291 wants it")
        if len(headers.get("topic", "")) > 32:
            faults.append("the topic is too long")
        return faults
