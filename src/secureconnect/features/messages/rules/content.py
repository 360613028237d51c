"""What a message may hold (docs/reference/rules.md §5, §6)."""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct

from secureconnect.features.messages.api import MetadataValue, stored_metadata
from secureconnect.kit.errors import ApiError, Detail, ErrorCode
from secureconnect.kit.text import TextFault, clean_text

__all__ = ["Content", "MessageLimits", "check_content"]

_E2EE_BYTES: Final = 16 * 1024

_encode = msgspec.json.Encoder().encode
_NO_METADATA: dict[str, str] = {}


class MessageLimits(Struct, frozen=True):
    """The `messaging.*` settings. Text in code points, encrypted content in bytes of UTF-8, windows in s.

    A window of 0 never ends.
    """

    max_content_chars: int = 10_000
    max_encrypted_bytes: int = 65_536
    unread_cap: int = 1000
    max_attachments: int = 10
    edit_window: int = 86_400
    delete_window: int = 0
    max_edits: int = 100


class Content(Struct, frozen=True):
    """Content that may be stored as it is. `e2ee` is the encoded JSON object."""

    text: str
    metadata: dict[str, str]
    e2ee: bytes | None


def check_content(
    limits: MessageLimits,
    text: str,
    *,
    is_encrypted: bool,
    metadata: Mapping[str, MetadataValue] | None,
    e2ee: Mapping[str, object] | None,
    attachments: int = 0,
) -> Content:
    """The form in which a message's content is stored. It may be empty next to `attachments` files.

    Plain text is stored in NFC and otherwise untouched; encrypted content is opaque and kept byte for byte.
    Metadata values become text: a number or boolean is stored as its JSON form.

    Raises:
        ApiError: `VALIDATION_ERROR` that names every faulty field.
    """
    faults: list[Detail] = []
    try:
        if text or not attachments:
            text = _encrypted(text, limits) if is_encrypted else _plain(text, limits)
    except TextFault as fault:
        faults.append(Detail("content", str(fault)))
    if attachments > limits.max_attachments:
        faults.append(Detail("attachments", f"at most {limits.max_attachments} files"))
    stored = _NO_METADATA
    if metadata:
        stored, faulty = stored_metadata(metadata)
        faults.extend(faulty)
    envelope = None
    if e2ee is not None:
        envelope = _encode(e2ee)
        if len(envelope) > _E2EE_BYTES:
            faults.append(Detail("e2ee", f"at most {_E2EE_BYTES} bytes"))
    if faults:
        raise ApiError(ErrorCode.VALIDATION_ERROR, "The request is not valid.", details=faults)
    return Content(text, stored, envelope)


def _plain(text: str, limits: MessageLimits) -> str:
    text = clean_text(text)
    if len(text) > limits.max_content_chars:
        raise TextFault(f"at most {limits.max_content_chars} characters")
    if not text or text.isspace():
        raise TextFault("at least one character that is not blank is needed")
    return text


def _encrypted(text: str, limits: MessageLimits) -> str:
    if not text:
        raise TextFault("is required")
    size = len(text) if text.isascii() else len(text.encode())
    if size > limits.max_encrypted_bytes:
        raise TextFault(f"at most {limits.max_encrypted_bytes} bytes")
    return text
