"""What is done to a statement, a text or an address before a server gets it."""

import pytest

from secureconnect.infra.database.postgres_parameters import numbered
from secureconnect.infra.database.postgres_text import stored_text, text_of
from secureconnect.infra.database.postgres_url import read_url


@pytest.mark.parametrize(
    ("sql", "text", "places"),
    [
        ("SELECT 1", "SELECT 1", None),
        ("a = ? AND b = ?", "a = $1 AND b = $2", None),
        ("a = ?2 AND b = ?3", "a = $1 AND b = $2", (1, 2)),
        ("a = ?1 AND b = ?1 AND c = ?3", "a = $1 AND b = $1 AND c = $2", (0, 2)),
        ("""VALUES ('is it? "yes"' || ?, 'no?', ?)""", """VALUES ('is it? "yes"' || $1, 'no?', $2)""", None),
    ],
)
def test_parameters_are_numbered(sql: str, text: str, places: tuple[int, ...] | None) -> None:
    assert numbered(sql) == (text, places)


@pytest.mark.parametrize(
    "text", ["", "plain", "\x00", "a\x00\x00b", "\ufdd0", "\ufdd00", "\ufdd01\x00\ufdd0"]
)
def test_texts_survive_without_nul(text: str) -> None:
    assert "\x00" not in stored_text(text)
    assert text_of(stored_text(text)) == text


def test_addresses() -> None:
    plain = read_url("postgresql://me:se%40cret@db.test/chat?sslmode=verify-full")
    assert (plain.cockroach, plain.shown) == (False, "db.test:5432/chat")
    assert plain.dsn == "postgresql://me:se%40cret@db.test/chat?sslmode=verify-full"
    assert "cret" not in repr(plain)
    roach = read_url("cockroachdb://me@node/chat")
    assert (roach.cockroach, roach.shown) == (True, "node:26257/chat")
    assert roach.dsn == "postgresql://me@node/chat?port=26257"
    assert read_url("cockroachdb://me@node:1/chat").shown == "node:1/chat"
    assert read_url("postgresql:///chat?host=/run/postgresql").shown == "/run/postgresql:5432/chat"


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("mysql://a/b", "must be"),
        ("postgresql://host", "database"),
        ("postgresql:///chat", "host"),
        ("postgresql://host:many/chat", "port"),
        ("postgresql://me:p#secret@host/chat", "%23"),
        ("postgresql://host/chat?sslmode=maybe", "sslmode"),
    ],
)
def test_bad_addresses_do_not_repeat_the_password(url: str, what: str) -> None:
    with pytest.raises(ValueError, match=what) as refusal:
        read_url(url)
    assert "secret" not in str(refusal.value)
