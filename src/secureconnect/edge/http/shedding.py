"""What those are told who are not let in (docs/reference/operations.md §9): at once, and for little work."""

import random
import re
from collections.abc import Collection
from typing import Final, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from secureconnect.edge.http.admission import Admission
from secureconnect.edge.http.answers import Answers
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.ids import new_id

__all__ = ["REQUEST_ID", "ShedMetrics", "Shedder"]

REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
#: A body up to this size is read and dropped, so that the connection can stay.
_SMALL: Final = 65_536

Headers = list[tuple[bytes, bytes]]


class ShedMetrics(Protocol):
    """Counts what was refused."""

    def refused_early(self, method: str, endpoint: str, status: int) -> None:
        """A request was answered before it was looked at."""


class Shedder:
    """Refuses requests while too many run. `pages` are never refused: those are what watches over us."""

    def __init__(
        self, admission: Admission, answers: Answers, metrics: ShedMetrics, pages: Collection[str]
    ) -> None:
        self._admission = admission
        self._answers = answers
        self._metrics = metrics
        self._pages = frozenset(page.encode() for page in pages)

    def wants(self, path: bytes) -> bool:
        """Whether a request for `path` is to be refused now."""
        return self._admission.full and path not in self._pages

    def refusal(self, method: str, headers: Headers, *, secure: bool) -> tuple[int, Headers, bytes]:
        """Status, headers and body; the refusal is counted."""
        self._admission.refuse()
        given = origin = None
        for name, value in headers:
            if name == b"x-request-id":
                given = value
            elif name == b"origin":
                origin = value
        named = given is not None and REQUEST_ID.fullmatch(given)
        request_id = given.decode() if given is not None and named else new_id()
        error = ApiError(
            ErrorCode.SERVICE_UNAVAILABLE,
            "Too much is asked at the moment.",
            retry_after=random.randint(1, 3),  # noqa: S311 - so that not all come back together
        )
        self._metrics.refused_early(method if method in _METHODS else "other", "unmatched", error.code.status)
        return self._answers.bare(error, request_id, secure=secure, origin=origin)

    def unread(self, secure: bool, method: bytes, url: bytes, headers: Headers, stays: bool) -> bytes | None:
        """The whole answer to a request of which only the head was read, or None to let it in, or to have it
        refused by the application: one whose body is large, or comes in chunks."""
        if not self.wants(url.partition(b"?")[0]):
            return None
        for name, value in headers:
            if name == b"transfer-encoding" or (name == b"content-length" and int(value) > _SMALL):
                return None
        status, out, body = self.refusal(method.decode("latin-1"), headers, secure=secure)
        lines = [STATUS_LINE[status]]
        for name, value in out:
            lines += [name, b": ", value, b"\r\n"]
        if not stays:
            lines.append(b"connection: close\r\n")
        return b"".join([*lines, b"\r\n", b"" if method == b"HEAD" else body])
