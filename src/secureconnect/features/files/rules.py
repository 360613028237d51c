"""What a file may be called, how large it may be, and of which type (docs/reference/rules.md §9). Pure."""

import re
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from secureconnect.features.files.api import FileRecord, Usage
from secureconnect.kit.errors import ApiError, Detail, ErrorCode
from secureconnect.kit.text import TextFault, clean_name

__all__ = [
    "AVATAR_BYTES",
    "AVATAR_SIDE",
    "MAX_PARTS",
    "PICTURES",
    "THUMBNAIL_SIDE",
    "FileLimits",
    "Plan",
    "Refused",
    "Wanted",
    "avatar_fault",
    "avatar_key",
    "check_admission",
    "check_part_numbers",
    "check_wanted",
    "may_have_thumbnail",
    "not_found",
    "object_key",
    "part_sizes",
    "thumbnail_key",
    "type_allowed",
]

#: The types of pictures that are shrunk.
PICTURES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
#: Largest picture that is shrunk, in bytes.
PICTURE_BYTES: Final = 25 * 1024 * 1024
AVATAR_BYTES: Final = 5 * 1024 * 1024
#: Longest sides, in pixels.
THUMBNAIL_SIDE: Final = 320
AVATAR_SIDE: Final = 512
MAX_PARTS: Final = 10_000

_LONGEST_NAME: Final = 255
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+", re.ASCII)
_MIB: Final = 1024 * 1024

#: Why an upload was refused, for the metric.
Refused = Literal["size", "type", "name", "quota"]


class FileLimits(Struct, frozen=True):
    """The settings `storage.*`: sizes in bytes, times in seconds."""

    max_file_bytes: int
    multipart_threshold: int
    part_bytes: int
    quota_bytes: int
    upload_ttl: int
    download_ttl: int
    multipart_ttl: int
    max_pending: int
    mime_allow: tuple[str, ...]
    mime_deny: tuple[str, ...]
    thumbnails: bool


class Wanted(Struct, frozen=True):
    """An upload that somebody asks for."""

    file_name: str
    file_size: int
    content_type: str
    is_encrypted: bool
    sha256: str | None


class Plan(Struct, frozen=True):
    """How many bytes each part of an upload has, the last one aside."""

    part_size: int
    part_count: int


def check_wanted(limits: FileLimits, wanted: Wanted) -> tuple[Wanted, Plan | None]:
    """The upload as it is stored, and its parts when it needs several.

    Raises:
        ApiError: `VALIDATION_ERROR` whose details name every faulty field.
    """
    details: list[Detail] = []
    name = ""
    try:
        name = clean_name(re.split(r"[/\\]", wanted.file_name)[-1])
    except TextFault as fault:
        details.append(Detail("file_name", str(fault)))
    else:
        if name in {"", ".", ".."}:
            details.append(Detail("file_name", "is required"))
        elif len(name) > _LONGEST_NAME:
            details.append(Detail("file_name", f"at most {_LONGEST_NAME} characters"))
    if not 1 <= wanted.file_size <= limits.max_file_bytes:
        details.append(Detail("file_size", f"between 1 and {limits.max_file_bytes} bytes"))
    content_type = wanted.content_type.lower()
    if not 3 <= len(content_type) <= 127 or not _TYPE.fullmatch(content_type):
        details.append(Detail("content_type", "not of the form type/subtype"))
    elif not type_allowed(content_type, limits.mime_allow, limits.mime_deny):
        details.append(Detail("content_type", "this type is not allowed here"))
    if details:
        raise ApiError(ErrorCode.VALIDATION_ERROR, "The request is not valid.", details=details)
    checked = Wanted(
        name,
        wanted.file_size,
        content_type,
        wanted.is_encrypted,
        wanted.sha256.lower() if wanted.sha256 is not None else None,
    )
    return checked, _plan(limits, wanted.file_size)


def type_allowed(content_type: str, allow: Sequence[str], deny: Sequence[str]) -> bool:
    """Whether files of this type may be stored; `*` in a pattern stands for anything, and `deny` wins."""
    return _listed(content_type, allow) and not _listed(content_type, deny)


def _listed(content_type: str, patterns: Sequence[str]) -> bool:
    for pattern in patterns:
        head, star, tail = pattern.lower().partition("*")
        begins = content_type.startswith(head) and content_type.endswith(tail)
        if begins if star else content_type == head:
            return True
    return False


def _plan(limits: FileLimits, size: int) -> Plan | None:
    if size <= limits.multipart_threshold:
        return None
    part_size = limits.part_bytes
    if -(-size // part_size) > MAX_PARTS:  # larger parts, in whole MiB, rather than more of them
        part_size = -(-size // MAX_PARTS // _MIB) * _MIB
    return Plan(part_size, -(-size // part_size))


def part_sizes(file_size: int, part_size: int) -> list[int]:
    """The size of every part, in order."""
    whole, rest = divmod(file_size, part_size)
    return [part_size] * whole + ([rest] if rest else [])


def check_part_numbers(file: FileRecord, part_numbers: Sequence[int]) -> None:
    """Raises ApiError `VALIDATION_ERROR` that names every number that a multipart upload has no part for."""
    assert file.part_size is not None
    count = len(part_sizes(file.file_size, file.part_size))
    details = [
        Detail(f"part_numbers[{place}]", f"there are {count} parts")
        for place, number in enumerate(part_numbers)
        if number > count
    ]
    if details:
        raise ApiError(ErrorCode.VALIDATION_ERROR, "The request is not valid.", details=details)


def check_admission(limits: FileLimits, usage: Usage, pending_count: int, file_size: int) -> None:
    """Raises ApiError `LIMIT_REACHED` or `QUOTA_EXCEEDED` unless one more upload of this size fits."""
    if pending_count >= limits.max_pending:
        raise ApiError(ErrorCode.LIMIT_REACHED, f"At most {limits.max_pending} uploads may run at once.")
    available = max(0, usage.total - usage.used)
    if file_size > available:
        raise ApiError(
            ErrorCode.QUOTA_EXCEEDED,
            "The storage quota does not allow it.",
            details=[Detail("file_size", f"{available} bytes are available")],
        )


def may_have_thumbnail(limits: FileLimits, file: FileRecord) -> bool:
    """Whether a thumbnail of the file is to be tried."""
    return (
        limits.thumbnails
        and not file.is_encrypted
        and file.content_type in PICTURES
        and file.file_size <= PICTURE_BYTES
    )


def avatar_fault(file: FileRecord) -> str | None:
    """Why a file of one's own cannot become an avatar, or None."""
    if file.status != "completed":
        return "is not completed"
    if file.is_encrypted:
        return "is encrypted"
    if file.content_type not in PICTURES:
        return "is no JPEG, PNG, GIF or WebP"
    return None if file.file_size <= AVATAR_BYTES else f"has more than {AVATAR_BYTES} bytes"


def object_key(owner_id: str, file_id: str) -> str:
    """Where the bytes of a file lie."""
    return f"users/{owner_id}/{file_id}"


def thumbnail_key(file_id: str) -> str:
    """Where the thumbnail of a file lies."""
    return f"thumbs/{file_id}"


def avatar_key(owner_id: str, file_id: str) -> str:
    """Where the avatar lies that was made of a file."""
    return f"avatars/{owner_id}/{file_id}"


def not_found(hidden: str | None = None) -> ApiError:
    """What is said of unknown files, and of the file `hidden`, which the caller may not know of."""
    return ApiError(ErrorCode.NOT_FOUND, "There is no such file.", hidden_file=hidden)
