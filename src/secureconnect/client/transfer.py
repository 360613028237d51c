"""Bytes between files of this machine and the object store, through signed URLs."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import BinaryIO

import httpx

from secureconnect.client.errors import ApiFailure, ConnectionLost, ProtocolError, failure
from secureconnect.client.http import USER_AGENT, parse_failure

__all__ = ["Transfer"]

_PIECE = 256 * 1024
# A large piece may wait long for a slow store; silence of the network is noticed earlier by the timeouts.
_TIMEOUT = httpx.Timeout(60, connect=5)


class Transfer:
    """One request at a time; whoever calls decides about repeats.

    Raises:
        ConnectionLost: the connection broke.
        ApiFailure: the store refused, or cannot answer now.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._http = httpx.AsyncClient(
            timeout=_TIMEOUT, transport=transport, headers={"User-Agent": USER_AGENT}
        )

    async def aclose(self) -> None:
        """Close the pooled connections."""
        await self._http.aclose()

    async def put(
        self, url: str, path: Path, *, start: int, size: int, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send `size` bytes of the file from `start` on."""
        sent = {**(headers or {}), "Content-Length": str(size)}
        try:
            with await asyncio.to_thread(path.open, "rb") as source:
                response = await self._http.put(url, content=_pieces(source, start, size), headers=sent)
        except httpx.TransportError as error:
            raise ConnectionLost(f"the upload broke off: {type(error).__name__}") from error
        if response.status_code >= 300:
            raise _refusal(response.status_code, response.headers, response.content)

    async def get(self, url: str, path: Path, size: int | None = None) -> None:
        """Append to the file at `path` what it lacks of the `size` bytes behind `url`; None: all there is."""
        have = await asyncio.to_thread(_length, path) if size is not None else 0
        if size is not None and have >= size:
            return
        headers = {"Range": f"bytes={have}-"} if have else {}
        try:
            async with self._http.stream("GET", url, headers=headers) as response:
                if response.status_code >= 300:
                    raise _refusal(response.status_code, response.headers, await response.aread())
                # A store that knows no ranges begins anew.
                mode = "ab" if response.status_code == 206 else "wb"
                with await asyncio.to_thread(path.open, mode) as target:
                    async for piece in response.aiter_bytes(_PIECE):
                        await asyncio.to_thread(target.write, piece)
        except httpx.TransportError as error:
            raise ConnectionLost(f"the download broke off: {type(error).__name__}") from error
        have = await asyncio.to_thread(_length, path)
        if size is not None and have != size:
            raise ProtocolError(f"the store gave {have} of {size} bytes")


async def _pieces(source: BinaryIO, start: int, size: int) -> AsyncIterator[bytes]:
    await asyncio.to_thread(source.seek, start)
    while size:
        piece = await asyncio.to_thread(source.read, min(_PIECE, size))
        if not piece:
            raise ProtocolError("the file became shorter while it was sent")
        size -= len(piece)
        yield piece


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _refusal(status: int, headers: Mapping[str, str], body: bytes) -> ApiFailure | ProtocolError:
    """Stores other than ours explain themselves in their own words."""
    refused = parse_failure(status, headers, body)
    if isinstance(refused, ProtocolError) and status >= 500:
        return failure("STORAGE_UNAVAILABLE", "the object store does not answer", status=503)
    if isinstance(refused, ProtocolError) and status == 403:
        return failure("URL_SIGNATURE_INVALID", "the object store refuses the URL", status=403)
    return refused
