"""What people may upload, and for how long their URLs work."""

from typing import Annotated

from secureconnect.kit.settings import Section, about

__all__ = ["StorageSettings"]

_MIB = 1024 * 1024
_MOST = 2**53 - 1

_ALLOWED = (
    "text/*",
    "image/*",
    "audio/*",
    "video/*",
    "font/*",
    "application/pdf",
    "application/json",
    "application/xml",
    "application/zip",
    "application/gzip",
    "application/x-tar",
    "application/x-7z-compressed",
    "application/vnd.rar",
    "application/rtf",
    "application/octet-stream",
    "application/msword",
    "application/vnd.ms-*",
    "application/vnd.openxmlformats-*",
    "application/vnd.oasis.*",
)
_DENIED = (
    "application/x-msdownload",
    "application/x-msdos-program",
    "application/x-dosexec",
    "application/x-executable",
    "application/x-sh",
    "application/x-msi",
    "application/x-bat",
    "application/java-archive",
    "application/vnd.microsoft.portable-executable",
    "application/vnd.android.package-archive",
)


class StorageSettings(Section, frozen=True):
    """Files."""

    max_file_bytes: Annotated[int, about("largest file", unit="bytes", ge=1, le=5 * 2**40)] = 2_147_483_648
    multipart_threshold: Annotated[
        int, about("largest upload in one piece", unit="bytes", ge=1, le=5 * 2**30)
    ] = 64 * _MIB
    part_bytes: Annotated[
        int, about("size of the parts of larger uploads", unit="bytes", ge=5 * _MIB, le=1024 * _MIB)
    ] = 16 * _MIB
    quota_bytes: Annotated[
        int,
        about(
            "files of one user together, unless an administrator says otherwise", unit="bytes", ge=0, le=_MOST
        ),
    ] = 10_737_418_240
    upload_ttl: Annotated[
        int, about("how long upload URLs work, and an upload may rest", unit="s", ge=1, le=86_400)
    ] = 900
    download_ttl: Annotated[int, about("how long download URLs work", unit="s", ge=1, le=604_800)] = 3600
    multipart_ttl: Annotated[
        int, about("how long an upload in parts may take", unit="s", ge=1, le=604_800)
    ] = 86_400
    max_pending: Annotated[int, about("uploads of one user that run at once", ge=1, le=100_000)] = 50
    upload_sweep_interval: Annotated[
        float,
        about("time between two looks for uploads that ended without completion", unit="s", gt=0, le=86_400),
    ] = 60
    mime_allow: Annotated[tuple[str, ...], about("types that may be uploaded; `*` stands for anything")] = (
        _ALLOWED
    )
    mime_deny: Annotated[
        tuple[str, ...], about("types that may not, whatever `mime_allow` says; `*` stands for anything")
    ] = _DENIED
    thumbnails: Annotated[bool, about("make small pictures of uploaded ones")] = True
