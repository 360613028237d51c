"""Input becomes typed values, or a list of everything that is wrong with it (contract README §3.2)."""

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import UNSET, Meta, Struct, UnsetType

from secureconnect.edge.validation import (
    Opaque,
    Timestamp,
    Uuid,
    UuidList,
    decode,
    decode_query,
    parse_object,
)
from secureconnect.kit.errors import ApiError, ErrorCode

ID = "0a1b2c3d-0000-4000-8000-00000000abcd"
Name = Annotated[str, Meta(min_length=1, max_length=5, extra={"clean": "name"})]


class Inner(Struct):
    flag: bool | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    size: Annotated[int, Meta(ge=0)] | UnsetType = UNSET


class Body(Struct):
    id: Uuid
    ids: Annotated[list[Uuid], Meta(min_length=1, max_length=3)] = msgspec.field(default_factory=lambda: [ID])
    until: Timestamp | None = None
    at: Timestamp = 0
    inner: Inner | None = None
    inners: list[Inner] = []
    text: str = ""
    name: Name = "x"
    words: Annotated[str, Meta(extra={"clean": "words"})] = ""
    raw: Opaque = ""
    metadata: dict[str, str | int | float | bool] | None = None
    kind: Literal["a", "b"] = "a"
    other: Uuid | None = None
    count: int = 0
    flag: bool = False


class Query(Struct):
    limit: Annotated[int, Meta(ge=1, le=10)] = 3
    flag: bool = False
    q: Name | None = None
    user_ids: UuidList | None = None


def body(**raw: Any) -> Body:
    return decode(Body, {"id": ID, **raw})


def faults(**raw: Any) -> list[str]:
    with pytest.raises(ApiError) as caught:
        body(**raw)
    assert caught.value.code is ErrorCode.VALIDATION_ERROR
    assert all(detail.message for detail in caught.value.details)
    return [detail.field for detail in caught.value.details]


def test_good_input_is_cleaned() -> None:
    made = body(
        id=ID.upper(),
        ids=[ID.upper(), ID],
        until="1970-01-01T00:00:01+00:00",
        inner={"name": " e\u0301 "},
        text=" e\u0301\n\t",
        words=" \x00e\u0301 ",
        raw="e\u0301\x01",
        metadata={"e\u0301": "e\u0301", "n": 5},
        unknown="ignored",
    )
    assert (made.id, made.ids, made.until) == (ID, [ID, ID], 1000)
    assert made.inner is not None
    assert (made.inner.name, made.text, made.words) == ("é", " é\n\t", " \x00é ")
    assert (made.raw, made.metadata) == ("e\u0301\x01", {"é": "é", "n": 5})


def test_null_is_nothing_where_nothing_is_allowed() -> None:
    made = body(until=None, inner=None, metadata=None, other=None)
    assert (made.until, made.inner, made.metadata, made.other) == (None, None, None, None)
    assert faults(at=None, text=None, id=None, count=None, ids=None) == ["id", "ids", "at", "text", "count"]


def test_all_faulty_fields_are_named_in_order() -> None:
    with pytest.raises(ApiError) as caught:
        decode(Body, {"count": "1", "flag": 1, "kind": "c", "name": "   ", "text": "\x00", "at": 5})
    assert [detail.field for detail in caught.value.details] == [
        "id",
        "at",
        "text",
        "name",
        "kind",
        "count",
        "flag",
    ]


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        ({"ids": [ID, "x", 5, ID.upper(), None]}, ["ids[1]", "ids[2]", "ids[4]"]),
        ({"ids": []}, ["ids"]),
        ({"ids": [ID] * 4}, ["ids"]),
        ({"ids": "x"}, ["ids"]),
        ({"ids": {}}, ["ids"]),
        ({"inner": {"flag": 1, "name": "toolong", "size": -1}}, ["inner.flag", "inner.name", "inner.size"]),
        ({"inner": {"name": "\x00", "flag": "x"}}, ["inner.flag", "inner.name"]),
        ({"inner": []}, ["inner"]),
        ({"inner": 5, "count": 1.5}, ["inner", "count"]),
        ({"inners": [{}, {"size": -1}, 5]}, ["inners[1].size", "inners[2]"]),
        ({"metadata": {"a": [1]}}, ["metadata[...]"]),
        ({"metadata": {"a": "\ud800"}}, ["metadata"]),
        ({"metadata": {"\x00": "a"}}, ["metadata"]),
        ({"metadata": []}, ["metadata"]),
        ({"text": "\ud800", "raw": "\ud800", "words": "\ud800"}, ["text", "words", "raw"]),
        ({"text": "\x85", "name": "a\nb"}, ["text", "name"]),
        ({"count": True}, ["count"]),
        ({"count": 1.0}, ["count"]),
        ({"flag": 0}, ["flag"]),
        ({"until": "2026-01-01T00:00:00"}, ["until"]),
        ({"until": 1}, ["until"]),
        ({"other": "x"}, ["other"]),
        ({"id": [ID]}, ["id"]),
    ],
)
def test_faults_are_named_where_they_are(raw: dict[str, Any], named: list[str]) -> None:
    assert faults(**raw) == named


def test_values_are_never_repeated() -> None:
    secret = "pw-7F3-secret"
    for raw in (
        {"kind": secret},
        {"id": secret},
        {"name": secret},
        {"count": secret},
        {"ids": [secret]},
        {"until": secret},
        {"inner": {"name": secret}},
        {"inner": secret},
    ):
        with pytest.raises(ApiError) as caught:
            body(**raw)
        assert secret not in str([(detail.field, detail.message) for detail in caught.value.details])


def test_a_flood_of_faults_is_cut_off() -> None:
    assert len(faults(inners=[{"flag": 1, "size": "x"}] * 900)) == 100
    assert faults(ids=[5] * 100_000) == ["ids"]


@pytest.mark.parametrize(
    ("query", "made"),
    [
        (b"", Query()),
        (b"limit=5", Query(limit=5)),
        (b"limit=5&limit=7&unknown=%zz", Query(limit=7)),
        (b"flag=true&q=%20e%CC%81+", Query(flag=True, q="é")),
        (b"user_ids=" + ID.upper().encode() + b"," + ID.encode(), Query(user_ids=[ID, ID])),
    ],
)
def test_queries(query: bytes, made: Query) -> None:
    assert decode_query(Query, query) == made


@pytest.mark.parametrize(
    ("query", "named"),
    [
        (b"limit=0&flag=maybe&q=", ["limit", "flag", "q"]),
        (b"limit=", ["limit"]),
        (b"limit=99999999999999999999999", ["limit"]),
        (b"user_ids=", ["user_ids"]),
        (b"user_ids=x," + ID.encode(), ["user_ids"]),
        (b"user_ids=" + b",".join([ID.encode()] * 101), ["user_ids"]),
        (b"q=%00", ["q"]),
        (b"q=%ff", ["query"]),
        (b"\xff", ["query"]),
    ],
)
def test_faulty_queries(query: bytes, named: list[str]) -> None:
    with pytest.raises(ApiError) as caught:
        decode_query(Query, query)
    assert [detail.field for detail in caught.value.details] == named


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"5",
        b"{",
        b'{"a":1}x',
        b'{"a":NaN}',
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b"\xef\xbb\xbf{}",
        b"{'a':1}",
        b"[" * 1_000_000,
        b'{"a":' * 1_000_000,
        b'{"a":' * 32 + b"[]" + b"}" * 32,
        b'{"a":' + b"[" * 32 + b"]" * 32 + b"}",
    ],
)
def test_bodies_that_are_no_objects(payload: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        parse_object(payload)
    assert [detail.field for detail in caught.value.details] == ["body"]


@pytest.mark.parametrize(
    "payload",
    [
        b"{}",
        b' {"a" : 1 } ',
        b'{"a":' * 31 + b"[]" + b"}" * 31,
        b'{"a":"' + b"[{" * 500 + b'"}',
        b'{"a":[' + b"{}," * 500 + b"{}]}",
    ],
)
def test_bodies_that_are(payload: bytes) -> None:
    assert isinstance(parse_object(payload), dict)


def test_of_equal_names_the_last_counts() -> None:
    assert parse_object(b'{"a":1,"a":2}') == {"a": 2}
