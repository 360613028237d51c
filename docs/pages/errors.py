"""The page of error codes."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import secureconnect
from docs.pages.schema_words import MARK
from secureconnect.kit.errors import ErrorCode

__all__ = ["errors_page"]

_SOURCE = Path(secureconnect.__file__).parent

#: What to do before a repeat of those that say `fix`.
_FIXES = {
    "UNAUTHORIZED": "log in",
    "TOKEN_EXPIRED": "refresh once",
    "TOKEN_REVOKED": "log in",
    "TOKEN_REUSED": "log in",
    "REAUTH_REQUIRED": "reauthenticate",
    "EMAIL_NOT_VERIFIED": "verify the address",
    "URL_SIGNATURE_INVALID": "ask for a new URL",
    "OWNERSHIP_TRANSFER_REQUIRED": "transfer the ownership",
    "E2EE_REQUIRED": "encrypt",
    "E2EE_EPOCH_CONFLICT": "catch up",
    "E2EE_KEYS_UNAVAILABLE": "later",
    "CALL_ALREADY_ACTIVE": "join it",
    "CALL_ANSWERED_ELSEWHERE": "take it over",
    "UPLOAD_INCOMPLETE": "upload",
    "FILE_NOT_READY": "complete the upload",
}

_ERRORS = """\
# Error codes

{mark}

The list is closed: no other code appears in an envelope or in a socket `error` frame. One code has exactly
one HTTP status. Decide by `code`, never by `message`.

**Repeat**: *no*, the same request will fail again; *after*, wait `Retry-After`, else 1, 2, 4 s and at most
three times; anything else is what to do before one repeat. Repeats of a send carry the same
`client_message_id`.
"""


def errors_page() -> str:
    """The closed list, with what a client does about each."""
    text = "\n".join(path.read_text("utf-8") for path in _SOURCE.rglob("*.py"))
    used = set(re.findall(r"ErrorCode\.([A-Z0-9_]+)", text))
    lines = [
        _ERRORS.format(mark=MARK),
        *_error_table(code for code in ErrorCode if code.name in used),
        "\n## Reserved\n\nCodes of later versions; this one never answers them.\n",
        *_error_table(code for code in ErrorCode if code.name not in used),
    ]
    return "\n".join(lines) + "\n"


def _error_table(codes: Iterable[ErrorCode]) -> Iterator[str]:
    yield "| Code | HTTP | Repeat | Meaning |\n|---|---|---|---|"
    for code in codes:
        repeat = _FIXES[code.name] if code.retry == "fix" else code.retry
        yield f"| {code.name} | {code.status} | {repeat} | {code.meaning} |"
