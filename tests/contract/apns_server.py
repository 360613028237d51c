"""A stand-in for Apple's push service: HTTP/2 by `h2`, over TLS, as strict about what it is sent as Apple."""

import asyncio
import json
import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple

import h2.config
import h2.connection
import h2.events
import jwt

__all__ = ["ApnsServer", "Asked"]


class Asked(NamedTuple):
    """One request: pseudo headers and headers, the device, and the JSON."""

    headers: Mapping[str, str]
    device: str
    payload: Any


class ApnsServer:
    """Answers 200, or what a test wants first. `public_key` (PEM) verifies the provider's tokens."""

    def __init__(self, public_key: str, *, key_id: str, team_id: str, bundle_id: str) -> None:
        self._public_key = public_key
        self._key_id = key_id
        self._team_id = team_id
        self._bundle_id = bundle_id
        self.asked: list[Asked] = []
        self.connections = 0
        self.answers: list[tuple[int, dict[str, Any], dict[str, str]]] = []
        self.now = 0
        self._server: asyncio.Server | None = None

    async def start(self, context: ssl.SSLContext) -> int:
        """Listen on a free port of localhost; returns it. Nothing but HTTP/2 is spoken."""
        context.set_alpn_protocols(["h2"])
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        return int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection = h2.connection.H2Connection(config=h2.config.H2Configuration(client_side=False))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        requests: dict[int, tuple[dict[str, str], bytearray]] = {}
        while data := await reader.read(65536):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    headers = {_text(name): _text(value) for name, value in event.headers}
                    requests[event.stream_id] = headers, bytearray()
                elif isinstance(event, h2.events.DataReceived):
                    requests[event.stream_id][1].extend(event.data)
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    self._answer(connection, event.stream_id, *requests.pop(event.stream_id))
            writer.write(connection.data_to_send())
        writer.close()

    def _answer(
        self,
        connection: h2.connection.H2Connection,
        stream_id: int,
        headers: Mapping[str, str],
        body: bytearray,
    ) -> None:
        status, content, extra = self._judge(headers, bytes(body))
        fields = [(":status", str(status)), *extra.items()]
        encoded = json.dumps(content).encode() if content else b""
        connection.send_headers(stream_id, fields, end_stream=not encoded)
        if encoded:
            connection.send_data(stream_id, encoded, end_stream=True)

    def _judge(self, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, Any], dict[str, str]]:
        reason = self._fault(headers, body)
        if reason is not None:
            return (403 if "Token" in reason else 400), {"reason": reason}, {}
        device = headers[":path"].removeprefix("/3/device/")
        self.asked.append(Asked(headers, device, json.loads(body)))
        return self.answers.pop(0) if self.answers else (200, {}, {"apns-id": headers["apns-id"]})

    def _fault(self, headers: Mapping[str, str], body: bytes) -> str | None:
        token = headers.get("authorization", "").removeprefix("bearer ")
        try:
            unverified = jwt.get_unverified_header(token)
            claims = jwt.decode(token, self._public_key, algorithms=["ES256"], options={"verify_iat": False})
        except jwt.InvalidTokenError:
            return "InvalidProviderToken"
        if (unverified.get("kid"), claims.get("iss")) != (self._key_id, self._team_id):
            return "InvalidProviderToken"
        if not 0 <= self.now - claims["iat"] <= 3600:
            return "ExpiredProviderToken"
        if headers.get(":method") != "POST" or not headers.get(":path", "").startswith("/3/device/"):
            return "BadPath"
        if headers.get("apns-topic") != self._bundle_id:
            return "BadTopic"
        if len(headers.get("apns-collapse-id", "")) > 64:
            return "BadCollapseId"
        if len(body) > 4096:
            return "PayloadTooLarge"
        return None


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()
