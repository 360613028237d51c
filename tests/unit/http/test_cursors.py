"""Cursors belong to one list, one set of filters and one caller."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secureconnect.edge.http.paging import ListQuery, Paging
from secureconnect.edge.http.routing import Call
from secureconnect.kit.errors import ApiError
from secureconnect.kit.pagination import Cursors, Page
from secureconnect.kit.principal import Principal, RequestContext

KEY = bytes(range(32))
CURSORS = Cursors(KEY)
SCOPE = ("conversations", "all", None, "caller")


def refused(cursors: Cursors, scope: tuple[str | None, ...], cursor: str) -> bool:
    try:
        cursors.decode(scope, cursor)
    except ApiError as error:
        return [detail.field for detail in error.details] == ["cursor"]
    return False


@given(st.lists(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=50), max_size=4))
def test_positions_come_back(position: list[Any]) -> None:
    cursor = CURSORS.encode(SCOPE, tuple(position))
    assert CURSORS.decode(SCOPE, cursor) == tuple(position)
    assert cursor.isascii()
    assert "=" not in cursor


def test_a_cursor_is_good_nowhere_else() -> None:
    cursor = CURSORS.encode(SCOPE, (5, "x"))
    assert refused(Cursors(bytes(32)), SCOPE, cursor)
    for scope in (
        ("conversations", "all", None, "other"),
        ("friends", "all", None, "caller"),
        ("conversations", "true", None, "caller"),
        ("conversations", "all", "", "caller"),
        ("conversations", "all", "null", "caller"),
        ("conversations", 'all",null,"caller'),
        (),
    ):
        assert refused(CURSORS, scope, cursor)


@given(st.text(max_size=600))
def test_anything_else_is_refused(text: str) -> None:
    assert refused(CURSORS, SCOPE, text)


def test_damaged_ones_are_refused() -> None:
    cursor = CURSORS.encode(SCOPE, (5, "x"))
    for index in range(len(cursor) - 1):
        other = "A" if cursor[index] != "A" else "B"
        assert refused(CURSORS, SCOPE, cursor[:index] + other + cursor[index + 1 :])
        assert refused(CURSORS, SCOPE, cursor[:index])
    assert refused(CURSORS, SCOPE, cursor + "AAAA")


def call(cursor: str | None = None, offset: int | None = None, user: str = "a") -> Call[None, ListQuery]:
    query = ListQuery(cursor=cursor, offset=offset, limit=2)
    return Call({}, None, query, RequestContext("r", "ip"), {}, Principal(user, "s", "j", "user", 0))


def test_a_walk_goes_on_where_it_was_and_ends() -> None:
    paging = Paging(CURSORS)
    assert paging.after(call(), "list", "filter") is None
    told = paging.end(call(), Page(["x"], (5, "x")), "list", "filter")
    assert told["has_more"] is True
    assert paging.after(call(told["next_cursor"]), "list", "filter") == (5, "x")
    for elsewhere in (call(told["next_cursor"], user="b"), call("zzz")):
        with pytest.raises(ApiError):
            paging.after(elsewhere, "list", "filter")
    with pytest.raises(ApiError):
        paging.after(call(told["next_cursor"]), "list", "other")
    assert paging.end(call(), Page(["x"]), "list") == {"next_cursor": None, "has_more": False}


def test_offset_and_cursor_exclude_each_other() -> None:
    paging = Paging(CURSORS)
    told = paging.end(call(offset=4), Page(["x"], (5,)), "list")
    assert (told["limit"], told["offset"]) == (2, 4)
    with pytest.raises(ApiError) as caught:
        paging.after(call(told["next_cursor"], offset=0), "list")
    assert [detail.field for detail in caught.value.details] == ["offset"]
