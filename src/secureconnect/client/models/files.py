"""Files, uploads and downloads."""

import msgspec

from secureconnect.client.models.base import Model, Moment

__all__ = [
    "Attachment",
    "Download",
    "DownloadAnswer",
    "File",
    "Multipart",
    "NewUpload",
    "PartUrl",
    "Quota",
    "RenewedParts",
    "SentFile",
    "StoredPart",
    "UploadState",
]


class File(Model, frozen=True, kw_only=True):
    """A file. `file_size` in bytes; `status` is uploading, completed, failed or deleted."""

    file_id: str
    owner_id: str
    file_name: str
    file_size: int
    content_type: str
    is_encrypted: bool
    sha256: str | None = None
    status: str
    has_thumbnail: bool
    created_at: Moment
    completed_at: Moment | None = None


class Attachment(Model, frozen=True, kw_only=True):
    """A file as a message carries it; `available` is false once the file is deleted."""

    file_id: str
    file_name: str
    content_type: str
    file_size: int
    is_encrypted: bool
    has_thumbnail: bool
    available: bool


class PartUrl(Model, frozen=True, kw_only=True):
    """Where to PUT one part, counted from 1."""

    part_number: int
    url: str


class Multipart(Model, frozen=True, kw_only=True):
    """An upload in parts of `part_size` bytes, the last one shorter. `parts` may be only the first ones."""

    part_size: int
    part_count: int
    parts: list[PartUrl]


class NewUpload(Model, frozen=True, kw_only=True):
    """Where the bytes go: one request with exactly these headers, or parts."""

    file_id: str
    method: str
    upload_url: str | None = None
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    expires_at: Moment
    multipart: Multipart | None = None


class StoredPart(Model, frozen=True, kw_only=True):
    """A part that lies in the store."""

    part_number: int
    size: int


class UploadState(Model, frozen=True, kw_only=True):
    """How far an upload is; `part_size` is given for uploads in parts."""

    file: File
    expires_at: Moment
    part_size: int | None = None
    uploaded_parts: list[StoredPart]


class RenewedParts(Model, frozen=True, kw_only=True):
    """New URLs for parts."""

    parts: list[PartUrl]
    expires_at: Moment


class Download(Model, frozen=True, kw_only=True):
    """Where to GET a file until `expires_at`, without credentials."""

    download_url: str
    expires_at: Moment
    file: File


class DownloadAnswer(Model, frozen=True, kw_only=True):
    """Where to GET one of several files, or the code of the refusal."""

    file_id: str
    download_url: str | None = None
    error_code: str | None = None


class Quota(Model, frozen=True, kw_only=True):
    """What one's files take, in bytes; `used` counts uploads that run."""

    used: int
    pending: int
    total: int
    available: int
    usage_percentage: float


class SentFile(Model, frozen=True, kw_only=True):
    """A file of a conversation, and the message that carries it."""

    file: File
    message_id: str
    sender_id: str | None = None
    sent_at: Moment
