"""Multipart uploads in a bucket; obstore has them only for bytes that it sends itself."""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from xml.etree import ElementTree as ET

from secureconnect.infra.blobs.base import Part, PartsRefused, UploadMissing
from secureconnect.infra.blobs.s3_bucket import Bucket
from secureconnect.infra.blobs.s3_client import Answer, Refused
from secureconnect.kit.clock import parse_rfc3339

__all__ = ["S3Multipart"]

_BAD_PARTS = {"InvalidPart", "InvalidPartOrder", "EntityTooSmall"}


class S3Multipart:
    """The uploads of one bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._ask = bucket.ask

    async def begin(self, key: str, content_type: str) -> str:
        """Start an upload; returns its id."""
        answer = await self._ask("POST", key, {"uploads": ""}, {"content-type": content_type})
        upload_id = answer.text("UploadId")
        if not upload_id:
            raise Refused(502, "without UploadId")
        return upload_id

    async def parts(self, key: str, upload_id: str) -> list[Part]:
        """The parts that lie there, by number.

        Raises:
            UploadMissing: no such upload.
        """
        found: dict[int, tuple[str, Part]] = {}
        try:
            async for modified, part in self._parts(key, upload_id):
                # SeaweedFS lists a part that was sent again twice, the last one first.
                if part.number not in found or modified > found[part.number][0]:
                    found[part.number] = modified, part
        except Refused as refused:
            raise _missing(refused) from refused
        return [found[number][1] for number in sorted(found)]

    async def _parts(self, key: str, upload_id: str) -> AsyncIterator[tuple[str, Part]]:
        query = {"uploadId": upload_id, "max-parts": "1000"}
        while True:
            answer = await self._ask("GET", key, query)
            for found in answer.each("Part"):
                part = Answer({}, found)
                etag = part.text("ETag").strip('"')
                number, size = int(part.text("PartNumber")), int(part.text("Size"))
                yield part.text("LastModified"), Part(number, size, etag)
            if answer.text("IsTruncated") != "true":
                return
            query["part-number-marker"] = answer.text("NextPartNumberMarker")

    async def complete(self, key: str, upload_id: str, parts: Sequence[Part]) -> None:
        """Make the object of `parts`.

        Raises:
            UploadMissing: no such upload.
            PartsRefused: they are not as given.
        """
        root = ET.Element("CompleteMultipartUpload")
        for part in sorted(parts, key=lambda part: part.number):
            element = ET.SubElement(root, "Part")
            ET.SubElement(element, "PartNumber").text = str(part.number)
            ET.SubElement(element, "ETag").text = f'"{part.etag}"'
        try:
            await self._ask("POST", key, {"uploadId": upload_id}, body=ET.tostring(root))
        except Refused as refused:
            if refused.code in _BAD_PARTS:
                raise PartsRefused from refused
            raise _missing(refused) from refused

    async def abort(self, key: str, upload_id: str) -> None:
        """Drop the upload, if there is one."""
        try:
            await self._ask("DELETE", key, {"uploadId": upload_id})
        except Refused as refused:
            with suppress(UploadMissing):
                raise _missing(refused) from refused

    async def unfinished(self) -> AsyncIterator[tuple[str, str, int]]:
        """Key, id and time of the beginning of every upload that runs."""
        query = {"uploads": "", "max-uploads": "1000"}
        while True:
            answer = await self._ask("GET", "", query)
            for found in answer.each("Upload"):
                upload = Answer({}, found)
                yield upload.text("Key"), upload.text("UploadId"), parse_rfc3339(upload.text("Initiated"))
            if answer.text("IsTruncated") != "true":
                return
            query["key-marker"] = answer.text("NextKeyMarker")
            query["upload-id-marker"] = answer.text("NextUploadIdMarker")


def _missing(refused: Refused) -> UploadMissing:
    """UploadMissing for what says so; anything else is raised as it is."""
    if refused.code == "NoSuchUpload" or (refused.status == 404 and refused.code != "NoSuchBucket"):
        return UploadMissing()
    raise refused
