"""Signature Version 4 of S3, in a URL and in headers (AWS: Signature Version 4 signing process).

obstore signs URLs too, but binds neither size nor type nor condition to them, and knows no parts.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from msgspec import Struct

from secureconnect.kit.clock import Clock

__all__ = ["EMPTY_HASH", "Place", "Signer", "encode_query"]

EMPTY_HASH = hashlib.sha256(b"").hexdigest()

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNSIGNED = "UNSIGNED-PAYLOAD"


class Place(Struct, frozen=True):
    """Where a request goes: `https://host`, the host as in the Host header, and the unencoded path."""

    origin: str
    host: str
    path: str

    @property
    def encoded(self) -> str:
        """The path as it is sent and signed."""
        return quote(self.path, safe="/-_.~")


class Signer:
    """Signs with one pair of keys, for one region.

    Args:
        clock: wall clock; the store refuses what is off by more than 15 minutes.
    """

    def __init__(self, access_key: str, secret_key: str, region: str, clock: Clock) -> None:
        self._access_key = access_key
        self._secret = b"AWS4" + secret_key.encode()
        self._region = region
        self._clock = clock

    def url(
        self,
        method: str,
        place: Place,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        expires_in: int,
    ) -> str:
        """A URL that allows this request with exactly these headers; `expires_in` seconds, at most 7 days."""
        moment = self._moment()
        signed = {"host": place.host, **_lower(headers)}
        every = {
            **query,
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{self._access_key}/{self._scope(moment)}",
            "X-Amz-Date": moment,
            "X-Amz-Expires": str(expires_in),
            "X-Amz-SignedHeaders": ";".join(sorted(signed)),
        }
        signature = self._signature(method, place, every, signed, _UNSIGNED, moment)
        return f"{place.origin}{place.encoded}?{encode_query(every)}&X-Amz-Signature={signature}"

    def headers(
        self,
        method: str,
        place: Place,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        payload_hash: str,
    ) -> dict[str, str]:
        """`headers` and those that authorise the request."""
        moment = self._moment()
        sent = {**_lower(headers), "x-amz-date": moment, "x-amz-content-sha256": payload_hash}
        signed = {"host": place.host, **sent}
        signature = self._signature(method, place, query, signed, payload_hash, moment)
        names = ";".join(sorted(signed))
        credential = f"{self._access_key}/{self._scope(moment)}"
        sent["authorization"] = (
            f"{_ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
        )
        return sent

    def _moment(self) -> str:
        return datetime.fromtimestamp(self._clock.now() // 1000, UTC).strftime("%Y%m%dT%H%M%SZ")

    def _scope(self, moment: str) -> str:
        return f"{moment[:8]}/{self._region}/s3/aws4_request"

    def _signature(
        self,
        method: str,
        place: Place,
        query: Mapping[str, str],
        signed: Mapping[str, str],
        payload_hash: str,
        moment: str,
    ) -> str:
        names = sorted(signed)
        request = "\n".join(
            [
                method,
                place.encoded,
                encode_query(query),
                *(f"{name}:{' '.join(signed[name].split())}" for name in names),
                "",
                ";".join(names),
                payload_hash,
            ]
        )
        text = "\n".join(
            [_ALGORITHM, moment, self._scope(moment), hashlib.sha256(request.encode()).hexdigest()]
        )
        key = self._secret
        for step in (moment[:8], self._region, "s3", "aws4_request"):
            key = hmac.digest(key, step.encode(), "sha256")
        return hmac.digest(key, text.encode(), "sha256").hex()


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def encode_query(query: Mapping[str, str]) -> str:
    """A query string as it is sent and signed."""
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query.items())
    return "&".join(f"{name}={value}" for name, value in pairs)
