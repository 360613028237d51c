"""How a download names its file: RFC 6266 with the encoding of RFC 8187, safe whatever the name holds."""

import re
import unicodedata
from urllib.parse import quote

__all__ = ["attachment"]

# What RFC 8187 lets stand unencoded, beyond letters, digits and `_.-~`.
_ATTR_CHAR = "!#$&+^`|"
_PLAIN = re.compile(r"[^A-Za-z0-9 ._()+-]")
_LONGEST = 150


def attachment(file_name: str) -> str:
    """`Content-Disposition` of a download that is saved as `file_name` and never shown in place.

    ASCII only, without line ends: the name cannot end the header. Old clients get `filename`, with everything
    unusual replaced; all others read `filename*`.
    """
    ascii_name = unicodedata.normalize("NFKD", file_name).encode("ascii", "ignore").decode()
    stem, dot, suffix = ascii_name.rpartition(".")
    if dot and len(suffix) <= 16:
        ascii_name = stem[: _LONGEST - len(suffix)] + dot + suffix
    plain = _PLAIN.sub("_", ascii_name[: _LONGEST + 1]).strip(" .") or "file"
    encoded = quote(file_name.encode("utf-8", "replace"), safe=_ATTR_CHAR)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"
