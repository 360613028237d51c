"""A stand-in for Google: gives access tokens for signed grants, and takes messages with them."""

import json
import ssl
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt

__all__ = ["FcmServer"]

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"


class FcmServer:
    """Answers 200, or what a test wants first. `public_key` (PEM) verifies grants."""

    def __init__(self, public_key: str, pem: Path, *, email: str, project: str) -> None:
        self._public_key = public_key
        self._email = email
        self._project = project
        self.grants: list[dict[str, Any]] = []
        self.messages: list[Any] = []
        self.answers: list[tuple[int, Any, dict[str, str]]] = []
        self.grant_answers: list[int] = []
        self.lifetime = 3599
        self.revoked: set[str] = set()
        fcm = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:  # the name is the base class's
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, content, extra = fcm.take(self.path, headers, body)
                encoded = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                for name, value in {**extra, "content-length": str(len(encoded))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(encoded)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as in the base class
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"https://localhost:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        if path == "/token":
            return self._grant(headers, body)
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if path != f"/v1/projects/{self._project}/messages:send":
            return 404, {"error": {"status": "NOT_FOUND"}}, {}
        if token not in {f"access-{number}" for number in range(len(self.grants))} - self.revoked:
            return 401, {"error": {"status": "UNAUTHENTICATED"}}, {}
        self.messages.append(json.loads(body)["message"])
        return self.answers.pop(0) if self.answers else (200, {"name": "projects/p/messages/1"}, {})

    def _grant(self, headers: Mapping[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        if self.grant_answers:
            return self.grant_answers.pop(0), b"", {}
        assert headers["content-type"] == "application/x-www-form-urlencoded"
        form = parse_qs(body.decode())
        try:
            claims = jwt.decode(
                form["assertion"][0],
                self._public_key,
                algorithms=["RS256"],
                audience=f"{self.url}/token",
                options={"verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError:
            return 400, {"error": "invalid_grant"}, {}
        right = form["grant_type"] == [_GRANT] and claims["scope"] == _SCOPE
        if not right or claims["iss"] != self._email or claims["exp"] - claims["iat"] > 3600:
            return 400, {"error": "invalid_grant"}, {}
        self.grants.append(claims)
        answer = {
            "access_token": f"access-{len(self.grants) - 1}",
            "expires_in": self.lifetime,
            "token_type": "Bearer",
        }
        return 200, answer, {}
