"""The few requests to S3 that obstore does not make: buckets, multipart uploads, checksums."""

import asyncio
import hashlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import httpx

from secureconnect.infra.blobs.sigv4 import EMPTY_HASH, Place, Signer, encode_query
from secureconnect.infra.resilience.retries import Retries

__all__ = ["Address", "Answer", "Refused", "S3Client"]

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Refused(Exception):
    """The store answered with an error. `code` is S3's, or empty; the text names neither key nor host."""

    def __init__(self, status: int, code: str) -> None:
        self.status = status
        self.code = code
        super().__init__(f"S3 answered {status} {code}".rstrip())


class Answer(NamedTuple):
    """Headers in lower case, and the root of the XML, if the answer has any."""

    headers: Mapping[str, str]
    root: ET.Element | None

    def text(self, name: str) -> str:
        """The text of the first element `name`, or empty."""
        return next((found.text or "" for found in self.each(name)), "")

    def each(self, name: str) -> Iterator[ET.Element]:
        """Every element `name`, whatever namespace it has."""
        if self.root is not None:
            yield from (found for found in self.root.iter() if _local(found) == name)


class Address:
    """A bucket at an endpoint, as a path or as part of the host name."""

    def __init__(self, endpoint: str, bucket: str, *, path_style: bool) -> None:
        parts = urlsplit(endpoint)
        host = parts.hostname or ""
        if ":" in host:
            host = f"[{host}]"
        if not path_style:
            host = f"{bucket}.{host}"
        if parts.port is not None and parts.port != _DEFAULT_PORTS.get(parts.scheme):
            host = f"{host}:{parts.port}"
        self._host = host
        self._origin = f"{parts.scheme}://{host}"
        self._folder = f"/{bucket}" if path_style else ""

    @property
    def origin(self) -> str:
        """`scheme://host`, the bucket's when it is part of the name."""
        return self._origin

    def place(self, key: str = "") -> Place:
        """Of an object, or of the bucket itself."""
        path = f"{self._folder}/{key}" if key else self._folder or "/"
        return Place(self._origin, self._host, path)


class S3Client:
    """Signed requests with a time limit each.

    Args:
        timeout: seconds for a request with all its attempts.
    """

    def __init__(self, address: Address, signer: Signer, timeout: float) -> None:
        self._address = address
        self._signer = signer
        self._timeout = timeout
        self._retries = Retries()
        self._http: httpx.AsyncClient | None = None

    async def ask(
        self,
        method: str,
        key: str = "",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """The answer to one request; every one of them may be repeated safely, and is, when it fails.

        Raises:
            Refused: the store says no.
            httpx.TransportError, TimeoutError: it does not answer.
        """
        async with asyncio.timeout(self._timeout):
            return await self._retries.call(
                lambda: self._once(method, key, query or {}, headers or {}, body), again=_again
            )

    async def _once(
        self, method: str, key: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> Answer:
        place = self._address.place(key)
        digest = hashlib.sha256(body).hexdigest() if body else EMPTY_HASH
        signed = self._signer.headers(method, place, query, headers, digest)
        url = f"{place.origin}{place.encoded}" + (f"?{encode_query(query)}" if query else "")
        response = await self._client().request(method, url, headers=signed, content=body or None)
        root = _parse(response.content)
        # CompleteMultipartUpload may begin with 200 and end with an error.
        if response.status_code >= 400 or (root is not None and _local(root) == "Error"):
            code = Answer({}, root).text("Code")
            status = response.status_code if response.status_code >= 400 else 500
            raise Refused(status, code)
        return Answer(response.headers, root)

    def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            self._http = httpx.AsyncClient(timeout=self._timeout, trust_env=False)
        return self._http

    async def close(self) -> None:
        """Drop connections."""
        if self._http is not None:
            await self._http.aclose()


def _again(failure: Exception) -> bool:
    if isinstance(failure, Refused):
        return failure.status >= 500
    return isinstance(failure, httpx.TransportError)


def _parse(content: bytes) -> ET.Element | None:
    if not content.lstrip().startswith(b"<"):
        return None
    try:
        # expat bounds the expansion of entities; the answer comes from the configured store.
        return ET.fromstring(content)  # noqa: S314
    except ET.ParseError:
        return None


def _local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]
