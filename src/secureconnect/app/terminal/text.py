"""What the terminal client writes."""

import unicodedata
from datetime import datetime

from secureconnect.client import Conversation, Message, PublicUser

__all__ = ["HELP", "clean", "conversation_line", "message_line", "person"]

HELP = """\
/dm NAME              talk with one person
/group TITLE NAME …   make a group (a title of several words in quotes)
/list                 conversations
/open N               open a conversation of the list, by number or name
/history [N]          the last N messages (20)
/who                  who is in this conversation
/help                 this
/quit                 leave (also Ctrl-D)
Everything else is sent. A line that begins with // is sent with one /."""

# They turn the direction of what follows, and with it who seems to have said what.
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean(text: str) -> str:
    """`text` from somebody else, without what would control the terminal."""
    return "".join(
        char
        if char == "\n"
        else " "
        if char == "\t"
        else "\ufffd"
        if char in _TURNING or unicodedata.category(char) in {"Cc", "Cs"}
        else char
        for char in text
    )


def person(user: PublicUser) -> str:
    """How a person is called here."""
    name = clean(user.display_name)
    return f"{name} ({clean(user.username)})" if user.username else name


def message_line(message: Message, *, own: bool, label: str | None = None) -> str:
    """`12:30 Ann: hello`, further lines indented; `label` names a conversation that is not open."""
    name = "you" if own else clean(message.sender_name)
    if message.deleted_at is not None:
        body = "(deleted)"
    elif message.is_encrypted:
        body = "(encrypted)"
    elif message.message_type != "text":
        body = f"({clean(message.message_type)}) {clean(message.content)}".rstrip()
    else:
        body = clean(message.content)
    place = "" if label is None else f"[{clean(label)}] "
    return f"{_clock(message.sent_at)} {place}{name}: " + body.replace("\n", "\n      ")


def conversation_line(number: int, conversation: Conversation) -> str:
    """`3. Lunch (group of 4), 2 unread`."""
    kind = "direct" if conversation.type == "direct" else f"group of {conversation.member_count}"
    count = conversation.my.unread_count
    unread = f", {count}{'+' if count >= 1000 else ''} unread" if count else ""
    return f"{number}. {clean(conversation.name)} ({kind}){unread}"


def _clock(moment: datetime) -> str:
    local = moment.astimezone()
    today = datetime.now(local.tzinfo).date()
    return local.strftime("%H:%M" if local.date() == today else "%Y-%m-%d %H:%M")
