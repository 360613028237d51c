"""What a message may hold and who may send it, without a store."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secureconnect.features.messages import rules
from secureconnect.features.messages.api import refusal
from secureconnect.features.messages.rules import Content, MessageLimits
from secureconnect.kit.errors import ApiError, ErrorCode
from tests.unit.messages.fakes import facts

A, B = "a" * 36, "b" * 36
LIMITS = MessageLimits()


def check(text: str = "x", *, is_encrypted: bool = False, **fields: object) -> Content:
    values: dict[str, object] = {"metadata": None, "e2ee": None, **fields}
    return rules.check_content(LIMITS, text, is_encrypted=is_encrypted, **values)  # type: ignore[arg-type]


def faulty(text: str = "x", *, is_encrypted: bool = False, **fields: object) -> list[str]:
    with pytest.raises(ApiError) as refused:
        check(text, is_encrypted=is_encrypted, **fields)
    assert refused.value.code is ErrorCode.VALIDATION_ERROR
    return [detail.field for detail in refused.value.details]


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u2003\u00a0", "x" * 10_001, "a\x00b", "\x85", "\x1b[0m"])
def test_plain_text_that_is_refused(text: str) -> None:
    assert faulty(text) == ["content"]


@pytest.mark.parametrize(
    "text",
    ["x" * 10_000, "😀" * 10_000, " x ", "<script>alert(1)</script>", "a\n\tb", "\u202eabc\u202c\u200f"],
)
def test_plain_text_comes_back_as_it_was(text: str) -> None:
    assert check(text).text == text


def test_plain_text_is_stored_composed() -> None:
    assert check("cafe\u0301").text == "caf\u00e9"
    assert check("e\u0301" * 10_000).text == "\u00e9" * 10_000, "the limit counts what is stored"


@given(st.text(min_size=1, max_size=200).filter(lambda text: text.strip() != ""))
def test_whatever_is_accepted_is_stable(text: str) -> None:
    try:
        stored = check(text).text
    except ApiError:
        return
    assert check(stored).text == stored


def test_encrypted_content_is_opaque_and_counted_in_bytes() -> None:
    for text in ("e\u0301", " ", "\x00", "x" * 65_536, "é" * 32_768):
        assert check(text, is_encrypted=True).text == text
    for text in ("", "x" * 65_537, "é" * 32_769):
        assert faulty(text, is_encrypted=True) == ["content"]


def test_metadata_values_become_text() -> None:
    given = {"n": 5, "f": 1.5, "yes": True, "no": False, "s": "x", "big": 10**29}
    stored = check(metadata=given).metadata
    assert stored == {
        "n": "5",
        "f": "1.5",
        "yes": "true",
        "no": "false",
        "s": "x",
        "big": "100000000000000000000000000000",
    }
    assert check().metadata == {}


def test_metadata_has_a_size_as_a_whole() -> None:
    assert check(metadata={f"{n:04}": "x" * 508 for n in range(32)}).metadata
    assert faulty(metadata={f"{n:04}": "x" * 509 for n in range(32)}) == ["metadata"]
    assert faulty(metadata={f"{n:04}": "é" * 255 for n in range(32)}) == ["metadata"], "counted in bytes"
    assert faulty(metadata={"k": "x" * 1001}) == ["metadata.k"]


def test_every_faulty_field_is_named() -> None:
    fields: dict[str, Any] = {"metadata": {"k": "x" * 1001}, "e2ee": {"alg": "x" * 16_384}}
    assert faulty(" ", **fields) == ["content", "metadata.k", "e2ee"]


def test_strangers_and_unknown_conversations() -> None:
    here = facts([A])
    assert rules.check_member(here, A) is here
    for known, code in ((None, ErrorCode.NOT_FOUND), (here, ErrorCode.FORBIDDEN)):
        with pytest.raises(ApiError) as refused:
            rules.check_member(known, B)
        assert refused.value.code is code


def code_of(refused: ApiError | None) -> ErrorCode | None:
    return None if refused is None else refused.code


def test_who_may_post() -> None:
    everybody, admins = facts([A, B]), facts([A, B], admins=[A], admins_post=True)
    assert refusal(everybody, B, is_encrypted=False) is None
    assert refusal(admins, A, is_encrypted=False) is None
    assert code_of(refusal(admins, B, is_encrypted=False)) is ErrorCode.FORBIDDEN


def test_a_block_refuses_both_and_is_not_named() -> None:
    blocked = facts([A, B], blocked=True)
    for one in (A, B):
        refused = refusal(blocked, one, is_encrypted=True)
        assert refused is not None
        assert refused.code is ErrorCode.FORBIDDEN
        assert "block" not in refused.message.lower()


def test_an_encrypted_conversation_takes_nothing_plain() -> None:
    encrypted = facts([A], encrypted=True)
    assert code_of(refusal(encrypted, A, is_encrypted=False)) is ErrorCode.E2EE_REQUIRED
    assert refusal(encrypted, A, is_encrypted=True) is None
    assert refusal(facts([A]), A, is_encrypted=True) is None, "opaque content is accepted anywhere"


def test_permission_is_reported_before_the_mode() -> None:
    both = facts([A, B], admins=[A], admins_post=True, encrypted=True)
    assert code_of(refusal(both, B, is_encrypted=False)) is ErrorCode.FORBIDDEN


def test_where_receipts_are_shown() -> None:
    small = facts([A, B])
    assert rules.shows_receipts(small, send_read_receipts=True)
    assert not rules.shows_receipts(small, send_read_receipts=False)
    assert not rules.shows_receipts(facts([A, B], blocked=True), send_read_receipts=True)
    assert rules.shows_receipts(facts([str(n) for n in range(100)]), send_read_receipts=True)
    assert not rules.shows_receipts(facts([str(n) for n in range(101)]), send_read_receipts=True)
