"""A bucket: who we are there, whether it answers, and that it exists."""

import asyncio
import math
import time
from collections.abc import Mapping
from xml.etree import ElementTree as ET

import httpx
from msgspec import Struct

from secureconnect.infra.blobs.measuring import unavailable
from secureconnect.infra.blobs.s3_client import Address, Answer, Refused, S3Client
from secureconnect.infra.blobs.sigv4 import Signer
from secureconnect.kit.clock import Clock

__all__ = ["Bucket", "S3Bucket"]

_FRESH = 2.0


class S3Bucket(Struct, frozen=True):
    """Where objects lie and who we are there. Endpoints are `http(s)://host[:port]`.

    `public_endpoint` is the one that clients reach; `timeout` in seconds.
    """

    endpoint: str
    public_endpoint: str
    region: str
    bucket: str
    access_key: str
    secret_key: str
    path_style: bool
    timeout: float

    def __repr__(self) -> str:
        return f"S3Bucket({self.endpoint!r}, {self.bucket!r})"


class Bucket:
    """Requests to one bucket, which is made when it is first needed and does not exist."""

    def __init__(self, settings: S3Bucket, clock: Clock) -> None:
        self._settings = settings
        self.signer = Signer(settings.access_key, settings.secret_key, settings.region, clock)
        self.address = Address(settings.endpoint, settings.bucket, path_style=settings.path_style)
        self._client = S3Client(self.address, self.signer, settings.timeout)
        self._asking = asyncio.Lock()
        self._heard = self._missed = -math.inf
        self._seen = False

    async def answering(self) -> None:
        """Return when the store was heard of lately; ask it otherwise, once for all who want to know."""
        if time.monotonic() - self._heard < _FRESH:
            return
        async with self._asking:
            if time.monotonic() - self._heard < _FRESH:
                return
            if time.monotonic() - self._missed < _FRESH:
                raise unavailable()
            await self.find()

    async def find(self) -> None:
        """Ask for the bucket, and make it when the store has none."""
        try:
            try:
                await self._client.ask("HEAD")
            except Refused as refused:
                if refused.status != 404:
                    raise
                await self._make()
        except Exception:
            self._heard, self._missed = -math.inf, time.monotonic()
            raise
        self._seen = True
        self._heard = time.monotonic()

    async def _make(self) -> None:
        body = b""
        if self._settings.region != "us-east-1":
            root = ET.Element("CreateBucketConfiguration")
            ET.SubElement(root, "LocationConstraint").text = self._settings.region
            body = ET.tostring(root)
        try:
            await self._client.ask("PUT", body=body)
        except Refused as refused:
            if refused.code != "BucketAlreadyOwnedByYou":  # another process was first
                raise

    async def ask(
        self,
        method: str,
        key: str = "",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """As `S3Client.ask`, in this bucket."""
        await self.exists()
        try:
            answer = await self._client.ask(method, key, query, headers, body)
        except (httpx.TransportError, TimeoutError):
            self._heard = -math.inf
            raise
        self._heard = time.monotonic()
        return answer

    async def exists(self) -> None:
        """Return once the bucket was seen, now or ever."""
        if not self._seen:
            await self.answering()

    async def close(self) -> None:
        """Drop connections."""
        await self._client.close()
