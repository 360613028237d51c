"""Names, sizes, types, parts and quota."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secureconnect.features.files import rules
from secureconnect.features.files.api import Usage
from secureconnect.features.files.rules import Wanted
from secureconnect.kit.errors import ApiError
from tests.unit.files.world import LIMITS, MIB


def checked(name: str = "a.txt", size: int = 10, content_type: str = "text/plain") -> tuple[str, str]:
    """The name and type as stored."""
    wanted, _ = rules.check_wanted(LIMITS, Wanted(name, size, content_type, False, None))
    return wanted.file_name, wanted.content_type


def faults(name: str = "a.txt", size: int = 10, content_type: str = "text/plain") -> list[str]:
    """The fields that are wrong."""
    with pytest.raises(ApiError) as raised:
        checked(name, size, content_type)
    return [detail.field for detail in raised.value.details]


@pytest.mark.parametrize(
    ("given_name", "stored"),
    [
        ("../../x", "x"),
        ("/etc/passwd", "passwd"),
        ("C:\\Users\\a\\photo.jpg", "photo.jpg"),
        ("..\\..\\x.txt", "x.txt"),
        ("  two words .txt ", "two words .txt"),
        ("e\u0301.txt", "é.txt"),
        ('a"; filename=b.html', 'a"; filename=b.html'),
        (".hidden", ".hidden"),
        ("x" * 255, "x" * 255),
        ("folder/" * 50 + "x", "x"),
    ],
)
def test_names_lose_their_path(given_name: str, stored: str) -> None:
    assert checked(given_name)[0] == stored


@pytest.mark.parametrize(
    "name", ["", " ", "a/", ".", "..", "x/..", "a\nb", 'a"\r\nX: y.html', "a\x00", "x" * 256, "\ud800"]
)
def test_names_that_are_refused(name: str) -> None:
    assert faults(name) == ["file_name"]


@pytest.mark.parametrize(
    ("content_type", "allowed"),
    [
        ("text/plain", True),
        ("Image/PNG", True),
        ("application/pdf", True),
        ("application/x-sh", False),
        ("application/X-SH", False),
        ("video/mp4", False),
        ("x", False),
        ("text/", False),
        ("/plain", False),
        ("text/plain; charset=utf-8", False),
        ("text/plain\n", False),
        ("text/" + "x" * 123, False),
        ("text/" + "x" * 122, True),
        ("", False),
    ],
)
def test_types(content_type: str, allowed: bool) -> None:
    if allowed:
        assert checked(content_type=content_type)[1] == content_type.lower()
    else:
        assert faults(content_type=content_type) == ["content_type"]


def test_patterns() -> None:
    assert rules.type_allowed("application/vnd.ms-excel", ["application/vnd.ms-*"], [])
    assert not rules.type_allowed("application/vnd.msx", ["application/vnd.ms-*"], [])
    assert not rules.type_allowed("text/html", ["text/*"], ["text/html"])  # what is denied wins
    assert not rules.type_allowed("text/html", ["*/*"], ["*/html"])
    assert rules.type_allowed("a/b", ["*"], [])
    assert not rules.type_allowed("a/b", [], [])


def test_every_fault_is_named() -> None:
    assert faults("", 0, "x") == ["file_name", "file_size", "content_type"]
    assert faults(size=-1) == faults(size=LIMITS.max_file_bytes + 1) == ["file_size"]


def test_uploads_in_one_piece_and_in_parts() -> None:
    def plan(size: int) -> rules.Plan | None:
        return rules.check_wanted(LIMITS, Wanted("a", size, "text/plain", False, None))[1]

    assert plan(1) is None
    assert plan(LIMITS.multipart_threshold) is None
    assert plan(LIMITS.multipart_threshold + 1) == rules.Plan(16 * MIB, 2)
    assert plan(70 * MIB) == rules.Plan(16 * MIB, 5)
    assert plan(64 * MIB) == rules.Plan(16 * MIB, 4)


@given(st.integers(min_value=20 * MIB + 1, max_value=50 * 1024**4))
def test_parts_make_the_file(size: int) -> None:
    """No more than 10,000 parts, all of one size but the last, together the file."""
    import msgspec

    limits = msgspec.structs.replace(LIMITS, max_file_bytes=size)
    _, plan = rules.check_wanted(limits, Wanted("a", size, "text/plain", False, None))
    assert plan is not None
    assert plan.part_count <= rules.MAX_PARTS
    assert plan.part_size >= limits.part_bytes
    sizes = rules.part_sizes(size, plan.part_size)
    assert len(sizes) == plan.part_count
    assert sum(sizes) == size
    assert set(sizes[:-1]) <= {plan.part_size}
    assert 0 < sizes[-1] <= plan.part_size


def test_admission() -> None:
    def code(used: int, size: int, running: int = 0, total: int = 100) -> str:
        try:
            rules.check_admission(LIMITS, Usage(used, 0, total), running, size)
        except ApiError as error:
            return error.code.name + "".join(detail.message for detail in error.details)
        return "admitted"

    assert code(0, 100) == code(99, 1) == "admitted"
    assert code(1, 100) == "QUOTA_EXCEEDED99 bytes are available"
    assert code(150, 1) == "QUOTA_EXCEEDED0 bytes are available"  # the quota was lowered
    assert code(0, 1, running=LIMITS.max_pending) == "LIMIT_REACHED"
