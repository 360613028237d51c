"""An OpenID provider that does as it is told: honest by default, hostile where a test says so."""

import base64
import contextlib
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, parse_qsl, unquote_plus, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "Provider", "Said", "SigningKey", "serving"]

CLIENT_ID = "chat client"  # a blank and a plus are where the encodings of the credentials differ
CLIENT_SECRET = "s3cret+of/the:client"
_LIFETIME = 300


@dataclass
class SigningKey:
    """A key of the provider."""

    algorithm: str = "ES256"
    kid: str = field(default_factory=lambda: secrets.token_hex(4))
    bits: int = 2048

    def __post_init__(self) -> None:
        make: dict[str, Callable[[], Any]] = {
            "ES256": lambda: generate_private_key(SECP256R1()),
            "EdDSA": Ed25519PrivateKey.generate,
            "RS256": lambda: generate_rsa_key(65537, self.bits),
        }
        self.private = make[self.algorithm]()

    @property
    def published(self) -> dict[str, Any]:
        """Its public part, as a JWK."""
        codec = jwt.get_algorithm_by_name(self.algorithm)
        jwk: dict[str, Any] = codec.to_jwk(self.private.public_key(), as_dict=True)
        return {**jwk, "kid": self.kid, "use": "sig", "alg": self.algorithm}

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        return jwt.encode(claims, self.private, self.algorithm, {"kid": self.kid, **header})


@dataclass
class Said:
    """One answer, whatever it is; `body` is bytes or becomes JSON."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class _Login:
    query: dict[str, str]
    claims: dict[str, Any]


class Provider:
    """The provider.

    `claims` are those of who logs in next; a subject that is not given is a new one. `instead` maps a path to
    what is answered there, by a function that may take its time. `forge` makes the ID token of its claims.
    """

    #: Every provider that runs, by its issuer.
    RUNNING: ClassVar[dict[str, "Provider"]] = {}

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self._own = SigningKey()
        self.honest()
        self._logins: dict[str, _Login] = {}
        self._last = ""
        self.seen: list[str] = []

    def honest(self) -> None:
        """Back to the behaviour of a good provider with one key, always the same."""
        self.key = self._own
        self.published = [self.key]
        self.claims: dict[str, Any] = {}
        self.about: dict[str, Any] | None = None
        self.instead: dict[str, Callable[[], Said]] = {}
        self.forge: Callable[[dict[str, Any]], str] = self._sign
        self.metadata: dict[str, Any] = {}
        self.came_back: dict[str, str] = {}

    def _sign(self, claims: dict[str, Any]) -> str:
        return self.key.sign(claims)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of a server that trusts it."""
        known = {
            "id": "stub",
            "name": "Stub",
            "issuer": self.issuer,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
        }
        return {
            "oidc_providers": json.dumps([known]),
            "oidc_redirect_uris": json.dumps(["http://localhost:5173/sso?from=stub", "org.example.app:/sso"]),
        }

    def answer(self, path: str, query: str, form: dict[str, str], authorization: str) -> Said:
        """The answer to a request."""
        self.seen.append(path)
        if path in self.instead:
            return self.instead[path]()
        if path == "/.well-known/openid-configuration":
            return Said(body=self._configuration())
        if path == "/jwks":
            return Said(body={"keys": [key.published for key in self.published]})
        if path == "/authorize":
            return Said(302, headers={"location": self.log_in(dict(parse_qsl(query)))})
        if path == "/token":
            return self._token(form, authorization)
        if path == "/userinfo" and authorization == "Bearer opaque":
            return Said(body=self.about or {"sub": self._last})
        return Said(404)

    def _configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "id_token_signing_alg_values_supported": ["ES256"],
            **self.metadata,
        }

    def log_in(self, query: dict[str, str]) -> str:
        """Somebody logs in; returns where the browser is sent back to."""
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT_ID
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(16)
        self._logins[code] = _Login(query, {"sub": secrets.token_hex(8), **self.claims})
        back = {"code": code, "state": query["state"], **self.came_back}
        return f"{query['redirect_uri']}?{urlencode(back)}"

    def _token(self, form: dict[str, str], authorization: str) -> Said:
        """RFC 6749, §4.1.3, and RFC 7636, §4.6."""
        login = self._logins.pop(form.get("code", ""), None)
        kind, _, credentials = authorization.partition(" ")
        given = tuple(map(unquote_plus, base64.b64decode(credentials).decode().split(":")))
        if kind != "Basic" or given != (CLIENT_ID, CLIENT_SECRET):
            return Said(401, {"error": "invalid_client"})
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            login is None
            or form["grant_type"] != "authorization_code"
            or form["redirect_uri"] != login.query["redirect_uri"]
            or challenge != login.query["code_challenge"]
        ):
            return Said(400, {"error": "invalid_grant"})
        now, self._last = int(time.time()), login.claims["sub"]
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + _LIFETIME,
            "nonce": login.query["nonce"],
            **login.claims,
        }
        token = {"access_token": "opaque", "token_type": "Bearer", "id_token": self.forge(claims)}
        return Said(body=token)


@contextlib.contextmanager
def serving() -> Iterator[Provider]:
    """A provider on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply()

        def do_POST(self) -> None:
            self._reply()

        def _reply(self) -> None:
            length = int(self.headers.get("content-length", 0))
            form = {name: values[0] for name, values in parse_qs(self.rfile.read(length).decode()).items()}
            parts = urlsplit(self.path)
            said = provider.answer(parts.path, parts.query, form, self.headers.get("authorization", ""))
            body = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
            with contextlib.suppress(ConnectionError):  # who asked may be gone
                self.send_response(said.status)
                for name, value in {"content-length": str(len(body)), **said.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    provider = Provider(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    Provider.RUNNING[provider.issuer] = provider
    try:
        yield provider
    finally:
        del Provider.RUNNING[provider.issuer]
        server.shutdown()
        thread.join()
        server.server_close()
