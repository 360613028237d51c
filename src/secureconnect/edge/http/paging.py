"""Pages of a list: how a request says where to go on, and how an answer says whether there is more."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from secureconnect.edge.http.routing import Call
from secureconnect.edge.validation import Opaque
from secureconnect.kit.errors import invalid
from secureconnect.kit.pagination import Cursors, Page

__all__ = ["Cursor", "Limit", "ListQuery", "Listed", "ListedByOffset", "Paging"]

Cursor = Annotated[Opaque, Meta(min_length=1, max_length=512)]
Limit = Annotated[int, Meta(ge=1, le=100)]


class ListQuery(Struct):
    """Where to go on, by cursor or by offset."""

    cursor: Cursor | None = None
    offset: Annotated[int, Meta(ge=0, le=100_000)] | None = None
    limit: Limit = 50


class Listed(Struct, frozen=True, kw_only=True):
    """What every page says."""

    next_cursor: str | None
    has_more: bool


class ListedByOffset(Listed, frozen=True, kw_only=True):
    """What a page says whose request may give an offset; both are echoed only then."""

    limit: int | UnsetType = UNSET
    offset: int | UnsetType = UNSET


class Paging:
    """Positions from and to cursors. `place` is the list and its filters; the caller is added here."""

    def __init__(self, cursors: Cursors) -> None:
        self._cursors = cursors

    def after(self, call: Call[Any, Any], *place: str) -> tuple[Any, ...] | None:
        """The position to go on from, or None for the start.

        Raises:
            ApiError: `VALIDATION_ERROR` for a damaged or foreign cursor, or one together with an offset.
        """
        cursor = call.query.cursor
        if cursor is None:
            return None
        if getattr(call.query, "offset", None) is not None:
            raise invalid("offset", "not together with cursor")
        return self._cursors.decode((*place, call.caller.user_id), cursor)

    def end(self, call: Call[Any, Any], page: Page[Any], *place: str) -> dict[str, Any]:
        """The fields of `Listed`, or of `ListedByOffset`, for this page."""
        cursor = None
        if page.after is not None:
            cursor = self._cursors.encode((*place, call.caller.user_id), page.after)
        fields = {"next_cursor": cursor, "has_more": cursor is not None}
        offset = getattr(call.query, "offset", None)
        return fields if offset is None else {**fields, "limit": call.query.limit, "offset": offset}
