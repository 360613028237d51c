"""What other people send cannot control the terminal, and lines say who, where and when."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from secureconnect.app.terminal.text import clean, conversation_line, message_line
from secureconnect.client import Conversation, Message
from tests.unit.client.world import ME, World


def message(**fields: object) -> Message:
    values = {
        "message_id": "m",
        "conversation_id": "c",
        "seq": 1,
        "sender_id": ME,
        "sender_name": "Ann",
        "content": "hello",
        "message_type": "text",
        "sent_at": datetime.now(UTC),
        **fields,
    }
    return Message(**values)  # type: ignore[arg-type]


@given(st.text())
def test_no_control_or_direction_character_gets_through(text: str) -> None:
    cleaned = clean(text)
    assert not any((ord(char) < 32 and char != "\n") or 127 <= ord(char) < 160 for char in cleaned)
    assert not set(cleaned) & set("\u202e\u2066\u200f\u061c")
    assert len(cleaned) == len(text)


def test_escape_sequences_of_others_are_shown_not_obeyed() -> None:
    assert clean("\x1b]0;owned\x07 ok\tfine\r") == "\ufffd]0;owned\ufffd ok fine\ufffd"
    assert clean("ünïcødé ✓ 👩‍👩‍👧 \u0627") == "ünïcødé ✓ 👩‍👩‍👧 \u0627"


def test_message_lines() -> None:
    clock = datetime.now(UTC).astimezone().strftime("%H:%M")
    assert message_line(message(), own=False) == f"{clock} Ann: hello"
    assert message_line(message(), own=True, label="Lunch\x1b") == f"{clock} [Lunch\ufffd] you: hello"
    assert message_line(message(content="a\nb"), own=False).endswith("Ann: a\n      b")
    assert message_line(message(is_encrypted=True), own=False).endswith("Ann: (encrypted)")
    assert message_line(message(deleted_at=datetime.now(UTC)), own=False).endswith("Ann: (deleted)")
    assert message_line(message(message_type="image", content=""), own=False).endswith("Ann: (image)")
    old = datetime.now(UTC) - timedelta(days=400)
    assert message_line(message(sent_at=old), own=False).startswith(old.astimezone().strftime("%Y-%m-%d "))


def test_conversation_lines() -> None:
    world = World()
    world.conversation("c")
    described = world.describe("c")
    described["my"]["unread_count"] = 1000
    import msgspec

    conversation = msgspec.convert(described, Conversation)
    assert conversation_line(3, conversation) == "3. G (group of 1), 1000+ unread"
