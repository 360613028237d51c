"""The Blobs port: objects of any size under keys (docs/reference/data.md §5).

Bytes of people's files travel between client and store through signed URLs; the server only arranges that.
What the server itself reads and writes (thumbnails, avatars, exports) goes through `read`, `put`, `put_file`.
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

__all__ = [
    "BlobMetrics",
    "Blobs",
    "ObjectEntry",
    "ObjectMissing",
    "ObjectStat",
    "ObjectTooLarge",
    "Part",
    "PartsRefused",
    "SignedRequest",
    "StoreAnswer",
    "UploadMissing",
    "check_key",
    "check_type",
]

_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*", re.ASCII)
_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+", re.ASCII)


class StoreAnswer(Exception):
    """The store works, and says no."""


class ObjectMissing(StoreAnswer):
    """There is no object under this key."""


class ObjectTooLarge(StoreAnswer):
    """The object has more bytes than the caller wants to hold."""


class UploadMissing(StoreAnswer):
    """No multipart upload with this id runs for this key: unknown, aborted or completed."""


class PartsRefused(StoreAnswer):
    """The store cannot make the object of these parts: one is missing, replaced meanwhile or too small."""


class SignedRequest(Struct, frozen=True):
    """A request that whoever holds it may send to the store, without further credentials.

    `headers` have to be sent exactly as they are; for an upload so has `Content-Length`, the size that was
    signed, which HTTP clients set themselves. `expires_at` is the time until which it may begin, in
    milliseconds since the epoch.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    expires_at: int


class Part(Struct, frozen=True):
    """A part that lies in the store: its number from 1 on, size in bytes, and ETag without quotes."""

    number: int
    size: int
    etag: str


class ObjectStat(Struct, frozen=True):
    """What the store says of an object.

    `etag` has no quotes. `content_type` is None where the store keeps none (local: the signature of the
    upload URL bound it, and the download URL carries it). `sha256` is hexadecimal, and None unless the store
    itself computed it over the whole object.
    """

    size: int
    etag: str
    content_type: str | None
    sha256: str | None
    modified_at: int


class ObjectEntry(Struct, frozen=True):
    """One line of a listing; `modified_at` in milliseconds since the epoch."""

    key: str
    size: int
    modified_at: int


class BlobMetrics(Protocol):
    """Where measurements go; called on the event loop."""

    def object_store(self, operation: str, *, ok: bool, seconds: float) -> None:
        """One request to the store, failed when it did not answer as it should; a missing object is fine."""


class Blobs(Protocol):
    """An object store.

    Keys: segments of `A-Z a-z 0-9 . _ -` joined by `/`, none beginning with a dot, at most 512 characters.

    Guarantees:
    - An object appears whole or not at all, and is durable when the call that made it returns, or when the
      store answered the upload.
    - **First wins**: what an upload URL or a completed multipart upload has put under a key is never replaced
      through any URL, whatever is sent later. (`put` and `put_file`, which only the server calls, replace.)
    - An upload is accepted with exactly the signed size and content type, or leaves nothing.
    - Memory stays bounded whatever the size of objects.

    A signed request is given out only while the store answers: each `presign_…` asks it when nothing was
    heard of it for 2 s. This is what makes routes that only sign say `STORAGE_UNAVAILABLE`.

    Not guaranteed: that an upload URL dies with `delete`. The local store ends it; with S3 it may make the
    object anew until it expires. Who deletes an object whose upload URL may be alive deletes it once more
    after that; `entries` finds what slips through.

    Raises:
        ApiError: every method that talks to the store: `STORAGE_UNAVAILABLE` (retry after 5 s) when it does
            not answer in `object_store.timeout`, refuses, or is full. Repeating is safe for all methods.
        ValueError: a key, content type or size that no caller may pass on.
    """

    async def presign_put(self, key: str, *, size: int, content_type: str, expires_in: int) -> SignedRequest:
        """One PUT of the whole object, for `expires_in` seconds. At most 5 GiB (a limit of S3)."""

    async def begin_multipart(self, key: str, *, size: int, part_size: int, content_type: str) -> str:
        """Start an upload in parts of `part_size` bytes, the last one shorter; returns the upload id.

        1 to 10,000 parts; `part_size` at least 5 MiB (limits of S3). The id is at most 512 characters.
        """

    async def presign_part(
        self, key: str, upload_id: str, number: int, *, size: int, expires_in: int
    ) -> SignedRequest:
        """One PUT of part `number` with exactly `size` bytes.

        A part may be sent again, as long as it brings the same bytes. While that goes on the part may be
        missing.
        A thousand take some tens of milliseconds: the store is asked at most once.
        """

    async def parts(self, key: str, upload_id: str) -> list[Part]:
        """The parts that lie in the store, by number.

        Raises:
            UploadMissing: no such upload runs.
        """

    async def complete_multipart(self, key: str, upload_id: str, parts: Sequence[Part]) -> ObjectStat:
        """Make the object of `parts`, as `parts()` gave them; ends all their URLs.

        The caller checks that all parts are there: S3 does not know how many there should be.
        An upload that was completed before answers with its object. Takes no time that grows with the size
        in the local store.

        Raises:
            UploadMissing: no such upload runs, and there is no object.
            PartsRefused: the parts are not all there, or not as given; the upload goes on.
        """

    async def abort_multipart(self, key: str, upload_id: str) -> None:
        """Drop an upload and its parts; nothing happens when there is none. The object, if any, stays."""

    async def stat(self, key: str) -> ObjectStat | None:
        """What lies under `key`, or None."""

    async def sha256(self, key: str) -> str:
        """The hash of the object in hexadecimal, computed by reading all of it in bounded memory.

        Not limited by `object_store.timeout` as a whole, only while waiting for bytes.

        Raises:
            ObjectMissing: there is none.
        """

    async def presign_get(
        self, key: str, *, file_name: str, content_type: str, expires_in: int
    ) -> SignedRequest:
        """A download for `expires_in` seconds, answered with `content_type`, always as an attachment.

        `file_name` may hold anything; it is encoded (RFC 6266, RFC 8187). HEAD and one Range work too.
        Whether the object exists is not looked at.
        """

    async def read(self, key: str, *, at_most: int) -> bytes:
        """The whole object.

        Raises:
            ObjectMissing: there is none.
            ObjectTooLarge: it has more than `at_most` bytes.
        """

    def chunks(self, key: str) -> AsyncIterator[bytes]:
        """The whole object in pieces of a few MiB at most; waiting for each is limited, the whole is not.

        Raises:
            ObjectMissing: there is none; before the first piece.
        """

    async def put(self, key: str, data: bytes, *, content_type: str) -> None:
        """Write a small object, replacing what is there."""

    async def put_file(self, key: str, path: str, *, content_type: str) -> None:
        """Write the file at `path`, of any size, replacing what is there; the file stays."""

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; those that are not there are fine."""

    def entries(self, prefix: str) -> AsyncIterator[ObjectEntry]:
        """All objects whose key begins with `prefix` (whole segments, such as `users/`), in no given order.

        Objects made or removed meanwhile may be there or not.
        """

    async def forget_unfinished(self, before: int) -> int:
        """Drop every multipart upload and broken rest that was begun before `before` (milliseconds since the
        epoch), whoever lost its id; returns how many."""

    async def ping(self) -> float:
        """Seconds that a trivial request took."""

    async def close(self) -> None:
        """Release connections."""


def check_key(key: str) -> str:
    """`key` itself.

    Raises:
        ValueError: not a key; the message does not repeat it.
    """
    if len(key) > 512 or not _KEY.fullmatch(key):
        raise ValueError("not an object key")
    return key


def check_type(content_type: str) -> str:
    """`content_type` itself: `type/subtype` without parameters.

    Raises:
        ValueError: anything else.
    """
    if len(content_type) > 127 or not _TYPE.fullmatch(content_type):
        raise ValueError("not a media type")
    return content_type
