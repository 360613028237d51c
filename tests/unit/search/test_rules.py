"""The language of queries."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secureconnect.features.search.rules import Asked, parse
from secureconnect.features.search.service.comparing import document_of, matches
from secureconnect.infra.search.base import Query
from secureconnect.infra.timeline.base import AttachedFile, StoredMessage
from secureconnect.kit.errors import ApiError
from secureconnect.kit.ids import new_id, new_time_id
from secureconnect.kit.words import wanted

_DAY = 24 * 3600 * 1000
_2026 = 1_767_225_600_000  # 2026-01-01T00:00:00Z
_KEY = "0b7c1f6e-3f0a-4c53-9d1c-5f0c2f1d7a01"


def message(content: str = "hello", **fields: object) -> StoredMessage:
    stored = StoredMessage(new_time_id(), _KEY, 2, new_id(), None, content, False, "text", {}, None, _2026)
    return msgspec.structs.replace(stored, **fields)


def attached(content_type: str) -> AttachedFile:
    return AttachedFile(new_time_id(), "f", content_type, 1, False, 1)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("Hello world", Asked(wanted("hello world"))),
        ("from:Bob-1 hello", Asked(wanted("hello"), username="bob-1")),
        ("FROM:@bob", Asked(wanted(""), username="bob")),
        ("from:bob from:@Bob", Asked(wanted(""), username="bob")),
        (f"in:{_KEY.upper()}", Asked(wanted(""), conversation_id=_KEY)),
        ("has:file has:LINK", Asked(wanted(""), has=frozenset({"file", "link"}))),
        ("after:2026-01-01 x", Asked(wanted("x"), since=_2026)),
        ("before:2026-01-02", Asked(wanted(""), until=_2026 + _DAY)),
        (
            "after:2026-01-01 after:2026-01-03 before:2026-01-05 before:2026-01-04",
            Asked(wanted(""), since=_2026 + 2 * _DAY, until=_2026 + 3 * _DAY),
        ),
        ("https://x.test time:10 xfrom:bob", Asked(wanted("https://x.test time:10 xfrom:bob"))),
        ("  \t ", Asked(wanted(""))),
    ],
)
def test_parse(text: str, asked: Asked) -> None:
    assert parse(text) == asked
    assert bool(asked) == bool(text.strip())


@pytest.mark.parametrize(
    "text",
    [
        "from:",
        "hello in: world",
        "in:g",
        "has:",
        "has:video",
        "before:2026-1-1",
        "before:2026-13-01",
        "after:2026-02-30",
        "after:\u0662\u0660\u0662\u0666-01-01",
        "before:now",
        "from:a from:b",
        f"in:{_KEY} in:0b7c1f6e-3f0a-4c53-9d1c-5f0c2f1d7a02",
    ],
)
def test_faults(text: str) -> None:
    with pytest.raises(ApiError) as refused:
        parse(text)
    assert [detail.field for detail in refused.value.details] == ["query"]


_PIECES = st.sampled_from(
    ["from:", "in:", "has:", "before:", "after:", "file", "2026-01-01", "@", '"', "*", " ", ":"]
)


@given(st.one_of(st.text(max_size=200), st.lists(st.one_of(_PIECES, st.text(max_size=5))).map("".join)))
def test_nothing_breaks_it(text: str) -> None:
    """Any text is understood or refused."""
    with contextlib.suppress(ApiError):
        asked = parse(text)
        assert set(asked.has) <= {"file", "image", "link", "poll"}


def test_documents() -> None:
    assert document_of(message(is_encrypted=True)) is None
    assert document_of(message("", deleted_at=1)) is None

    def has(**fields: object) -> frozenset[str]:
        document = document_of(message(**fields))  # type: ignore[arg-type]
        assert document is not None
        return document.has

    assert has() == frozenset()
    assert has(attachments=(attached("text/plain"),)) == {"file"}
    assert has(attachments=(attached("text/plain"), attached("image/png"))) == {"file", "image"}
    assert has(content="see HTTPS://x.test") == {"link"}
    assert has(content="http:// and ftp://x") == frozenset()
    assert has(message_type="poll") == {"poll"}


def test_matches_the_message_as_it_is_now() -> None:
    stored = message("Hello wörld", attachments=(attached("image/png"),))
    assert matches(stored, Query())
    assert matches(
        stored, Query(wanted("world hel"), stored.sender_id, "text", frozenset({"image"}), _2026, _2026 + 1)
    )
    for other in (
        Query(wanted("word")),
        Query(sender_id=new_id()),
        Query(message_type="file"),
        Query(has=frozenset({"poll"})),
        Query(since=_2026 + 1),
        Query(until=_2026),
    ):
        assert not matches(stored, other)
    assert not matches(message(is_encrypted=True), Query())
    assert not matches(message(deleted_at=1), Query())
