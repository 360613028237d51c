"""The way from an HTTP request to a socket: reading the request, answering 101 or a refusal (RFC 6455 §4)."""

import http
import logging
from collections.abc import Iterable
from urllib.parse import unquote

import httptools
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHeader, InvalidMethod
from websockets.http11 import Request
from websockets.server import ServerProtocol

from secureconnect.edge.realtime.base import Refusal, UpgradeRequest
from secureconnect.kit.errors import ApiError, ErrorCode, invalid

__all__ = ["QUIET", "Upgrade", "refusal_bytes"]

#: For the sans-io parser: it reports every connection at INFO, and whole frames (with their tokens) at DEBUG.
QUIET = logging.getLogger("secureconnect.websockets")
QUIET.setLevel(logging.ERROR)


class Upgrade:
    """One request that wants to become a socket, while the gate decides about it.

    `early` holds what the peer sent after the request, `fault` is set when the request cannot even be read.
    """

    __slots__ = ("_wire", "early", "fault", "request")

    def __init__(self, data: bytes, *, peer: str, secure: bool) -> None:
        head, _, rest = data.partition(b"\r\n\r\n")
        self.early = bytearray(rest)
        self.fault: ApiError | None = None
        method, url, path, query = "GET", "", "", b""
        headers = Headers()
        merged: dict[str, str] = {}
        try:
            line, *fields = head.decode("latin-1").split("\r\n")
            method, url, _ = line.split(" ")
            for field in fields:
                name, value = field.split(":", 1)
                value = value.strip(" \t")
                headers[name] = value
                name = name.lower()
                merged[name] = f"{merged[name]}, {value}" if name in merged else value
            parsed = httptools.parse_url(url.encode("latin-1"))
            path, query = unquote(parsed.path.decode("ascii")), parsed.query or b""
        except (AttributeError, ValueError, InvalidHeader, httptools.HttpParserError):
            self.fault = invalid("request", "not a readable HTTP request")
        self.request = UpgradeRequest(
            method=method, path=path, query=query, headers=merged, peer=peer, secure=secure
        )
        self._wire = Request(url, headers, method)

    def accept(self, subprotocol: str | None) -> bytes:
        """The 101 answer. No extension is ever negotiated.

        Raises:
            ApiError: the handshake headers are not those of RFC 6455 §4.2.1.
        """
        protocol = ServerProtocol(logger=QUIET)
        response = protocol.accept(self._wire)
        if response.status_code != http.HTTPStatus.SWITCHING_PROTOCOLS:
            fault = protocol.handshake_exc
            if isinstance(fault, InvalidMethod):
                raise ApiError(ErrorCode.METHOD_NOT_ALLOWED)
            field = fault.name if isinstance(fault, InvalidHeader) else "request"
            raise invalid(field, "missing, or not what a WebSocket handshake needs")
        if subprotocol is not None:
            response.headers["Sec-WebSocket-Protocol"] = subprotocol
        return response.serialize()


def refusal_bytes(refusal: Refusal, defaults: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A complete HTTP/1.1 response that ends the connection. A refusal's own headers win over `defaults`."""
    headers = {name.lower(): value for name, value in refusal.headers}
    headers["content-length"] = str(len(refusal.body))
    headers["connection"] = "close"
    for name, value in defaults:
        headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    try:
        phrase = http.HTTPStatus(refusal.status).phrase
    except ValueError:
        phrase = ""
    lines = [f"HTTP/1.1 {refusal.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + refusal.body
