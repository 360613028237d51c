"""URLs of the local store: signed by us, so that no other credential is needed (docs/reference/http.md).

The signature is HMAC-SHA256 over the method, the key and every parameter; nothing of a URL can be changed.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlencode

import msgspec
from msgspec import Struct

from secureconnect.infra.blobs.base import SignedRequest, check_key, check_type
from secureconnect.kit.clock import Clock

__all__ = ["PATH", "DownloadGrant", "PartGrant", "PutGrant", "UrlRefused", "UrlSigner"]

PATH = "/v1/storage/objects/"

_SIGNATURE = "signature"
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)


class UrlRefused(Exception):
    """The URL was altered, or its time is over. Carries what to tell the client."""


class PutGrant(Struct, frozen=True):
    """The whole object in one PUT."""

    key: str
    size: int
    content_type: str


class PartGrant(Struct, frozen=True):
    """One part of a multipart upload; `size` is that of the part."""

    key: str
    size: int
    upload_id: str
    number: int


class DownloadGrant(Struct, frozen=True):
    """The object, under a file name and a content type."""

    key: str
    content_type: str
    file_name: str


class UrlSigner:
    """Makes and checks URLs.

    Args:
        master_key: of the installation; the key of signatures is derived from it.
        public_url: where clients reach the server, without a slash at its end.
        clock: wall clock.
    """

    def __init__(self, master_key: bytes, public_url: str, clock: Clock) -> None:
        self._key = hmac.digest(master_key, b"secureconnect object urls", "sha256")
        self._base = public_url.rstrip("/") + PATH
        self._clock = clock

    def put(self, grant: PutGrant, expires_in: int) -> SignedRequest:
        """A PUT of exactly this size and content type."""
        fields = {"size": str(grant.size), "type": check_type(grant.content_type)}
        return self._signed("PUT", grant.key, fields, expires_in, {"Content-Type": grant.content_type})

    def part(self, grant: PartGrant, expires_in: int) -> SignedRequest:
        """A PUT of exactly this size."""
        fields = {"size": str(grant.size), "upload": grant.upload_id, "part": str(grant.number)}
        return self._signed("PUT", grant.key, fields, expires_in, {})

    def download(self, grant: DownloadGrant, expires_in: int) -> SignedRequest:
        """A GET; HEAD works too."""
        name = grant.file_name.encode("utf-8", "replace").decode()
        fields = {"type": check_type(grant.content_type), "name": name}
        return self._signed("GET", grant.key, fields, expires_in, {})

    def check(self, method: str, key: str, query: str) -> PutGrant | PartGrant | DownloadGrant:
        """What a request with this method, this key and this query string may do.

        Raises:
            UrlRefused: altered or expired.
        """
        try:
            pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict")
        except ValueError:  # UnicodeDecodeError too
            raise UrlRefused("The URL is not one of ours.") from None
        fields = dict(pairs)
        given = fields.pop(_SIGNATURE, "")
        signed_method = "GET" if method == "HEAD" else method
        expected = self._signature(signed_method, key, fields)
        genuine = hmac.compare_digest(expected, given if _HEX.fullmatch(given) else "")
        if not genuine or len(pairs) != len(fields) + 1:
            raise UrlRefused("The URL was altered.")
        # From here on every field is as we wrote it.
        if self._clock.now() >= int(fields["expires"]):
            raise UrlRefused("The time of the URL is over.")
        if signed_method == "GET":
            return DownloadGrant(key, fields["type"], fields["name"])
        if "upload" in fields:
            return PartGrant(key, int(fields["size"]), fields["upload"], int(fields["part"]))
        return PutGrant(key, int(fields["size"]), fields["type"])

    def _signed(
        self, method: str, key: str, fields: Mapping[str, str], expires_in: int, headers: Mapping[str, str]
    ) -> SignedRequest:
        expires_at = self._clock.now() + expires_in * 1000
        every = {**fields, "expires": str(expires_at)}
        query = urlencode({**every, _SIGNATURE: self._signature(method, check_key(key), every)})
        return SignedRequest(method, f"{self._base}{quote(key)}?{query}", headers, expires_at)

    def _signature(self, method: str, key: str, fields: Mapping[str, str]) -> str:
        # JSON keeps the fields apart whatever they hold.
        text = msgspec.json.encode([method, key, sorted(fields.items())])
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()
