"""What requests carry and answers hold."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from secureconnect.edge.http.paging import Cursor, Limit, Listed
from secureconnect.edge.validation import Opaque, Uuid
from secureconnect.features.files.api import File, FileStatus
from secureconnect.features.files.rules import MAX_PARTS
from secureconnect.kit.objects import Id, Time

__all__ = [
    "AttachedFile",
    "AttachedPage",
    "AttachedQuery",
    "BeginUpload",
    "CompleteUpload",
    "DownloadQuery",
    "DownloadUrl",
    "DownloadUrls",
    "FileDownload",
    "FilePage",
    "FileQuery",
    "Multipart",
    "PartUrlList",
    "Quota",
    "RefusalCode",
    "RenewParts",
    "SetAvatar",
    "StoredPart",
    "Upload",
    "UploadPart",
    "UploadState",
    "WantDownloads",
]

_Sha256 = Annotated[str, Meta(pattern=r"^[0-9A-Fa-f]{64}$(?!\n)", extra={"clean": "opaque"})]
_Prefix = Annotated[str, Meta(min_length=1, max_length=127)]
_Variant = Literal["original", "thumbnail"]
#: Why one of several files cannot be downloaded.
RefusalCode = Literal["NOT_FOUND", "FILE_NOT_READY", "E2EE_BLOCKED"]


class BeginUpload(Struct):
    """A file to upload. Path parts of `file_name` are cut off; `file_size` in bytes; `sha256` in hex."""

    file_name: Annotated[Opaque, Meta(extra_json_schema={"minLength": 1, "maxLength": 255})]
    file_size: Annotated[int, Meta(extra_json_schema={"minimum": 1})]
    content_type: Annotated[Opaque, Meta(extra_json_schema={"minLength": 3, "maxLength": 127})]
    is_encrypted: bool = False
    sha256: _Sha256 | None = None


class UploadPart(Struct, frozen=True):
    """Where to PUT one part."""

    part_number: int
    url: str


class Multipart(Struct, frozen=True, kw_only=True):
    """An upload in parts of `part_size` bytes, the last one shorter; at most 1,000 of their URLs."""

    part_size: int
    part_count: int
    parts: list[UploadPart]


class Upload(Struct, frozen=True, kw_only=True):
    """Where the bytes go: one PUT to `upload_url` with exactly these headers, or `multipart`."""

    file_id: Id
    method: Literal["PUT"] = "PUT"
    upload_url: str | None
    headers: dict[str, str]
    expires_at: Time
    multipart: Multipart | None


class StoredPart(Struct, frozen=True):
    """A part that lies in the store; `size` in bytes."""

    part_number: int
    size: int


class UploadState(Struct, frozen=True, kw_only=True):
    """How far an upload is; uploads in one piece have no parts, and no `part_size`."""

    file: File
    expires_at: Time
    part_size: int | None
    uploaded_parts: list[StoredPart]


class RenewParts(Struct):
    """Parts that need new URLs."""

    file_id: Uuid
    part_numbers: Annotated[
        list[Annotated[int, Meta(ge=1, le=MAX_PARTS)]], Meta(min_length=1, max_length=1000)
    ]


class PartUrlList(Struct, frozen=True, kw_only=True):
    """New URLs."""

    parts: list[UploadPart]
    expires_at: Time


class CompletedPart(Struct):
    """A part as its uploader remembers it."""

    part_number: Annotated[int, Meta(ge=1, le=MAX_PARTS)]
    etag: Annotated[Opaque, Meta(min_length=1, max_length=128)]


class CompleteUpload(Struct):
    """An upload that is done. `parts` are compared with what lies in the store, and need not be given."""

    file_id: Uuid
    parts: Annotated[list[CompletedPart], Meta(min_length=1, max_length=MAX_PARTS)] | None = None
    sha256: _Sha256 | None = None


class DownloadQuery(Struct):
    """The file itself, or a small WebP of it."""

    variant: _Variant = "original"


class DownloadUrl(Struct, frozen=True, kw_only=True):
    """Where to GET a file; HEAD and one Range work too."""

    download_url: str
    expires_at: Time
    file: File


class WantDownloads(Struct):
    """Several files at once."""

    file_ids: Annotated[list[Uuid], Meta(min_length=1, max_length=50)]
    variant: _Variant = "original"


class FileDownload(Struct, frozen=True, kw_only=True):
    """Where to GET one of them, or why not."""

    file_id: Id
    download_url: str | None
    error_code: RefusalCode | None


class DownloadUrls(Struct, frozen=True):
    """In the order asked for."""

    files: list[FileDownload]


class FileQuery(Struct):
    """Which of one's own files; `content_type` is a prefix such as `image/`."""

    status: FileStatus = "completed"
    content_type: _Prefix | None = None
    cursor: Cursor | None = None
    limit: Limit = 50


class FilePage(Listed, frozen=True, kw_only=True):
    """Some files, newest first."""

    files: list[File]


class Quota(Struct, frozen=True, kw_only=True):
    """What one's files take, in bytes; `used` counts uploads that run."""

    used: int
    pending: int
    total: int
    available: int
    usage_percentage: float


class AttachedQuery(Struct):
    """Which files of a conversation; `content_type` is a prefix such as `image/`."""

    content_type: _Prefix | None = None
    cursor: Cursor | None = None
    limit: Limit = 50


class AttachedFile(Struct, frozen=True, kw_only=True):
    """A file, and the message that carries it. `sender_id` is null for webhooks."""

    file: File
    message_id: Id
    sender_id: Id | None
    sent_at: Time


class AttachedPage(Listed, frozen=True, kw_only=True):
    """Some files, newest first."""

    files: list[AttachedFile]


class SetAvatar(Struct):
    """A file of one's own: completed, not encrypted, a JPEG, PNG, GIF or WebP of at most 5 MiB."""

    file_id: Uuid
