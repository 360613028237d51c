"""Threads, receipts, scheduled messages, drafts."""

from typing import Any

import msgspec

from secureconnect.client.models.base import Model, Moment, Page
from secureconnect.client.models.messages import Message

__all__ = ["Draft", "MessageReceipt", "Scheduled", "ThreadPage", "ThreadState"]


class ThreadState(Model, frozen=True, kw_only=True):
    """The caller's own place in a thread."""

    following: bool
    last_read_seq: int
    unread_count: int


class ThreadPage(Page[Message], frozen=True, kw_only=True):
    """Replies, oldest first, with the root, who wrote, and the caller's own place."""

    root: Message
    participants: list[str]
    state: ThreadState


class MessageReceipt(Model, frozen=True, kw_only=True):
    """How far one member is with a message."""

    user_id: str
    delivered: bool
    read: bool
    read_at: Moment | None = None


class Scheduled(Model, frozen=True, kw_only=True):
    """A message that waits, or what became of it."""

    scheduled_id: str
    conversation_id: str
    content: str
    send_at: Moment
    status: str
    failure_code: str | None = None
    message_id: str | None = None
    metadata: dict[str, Any] | None = None
    created_at: Moment


class Draft(Model, frozen=True, kw_only=True):
    """What the caller began to write."""

    content: str
    is_encrypted: bool = False
    reply_to_message_id: str | None = None
    thread_root_id: str | None = None
    attachments: list[str] = msgspec.field(default_factory=list)
    updated_at: Moment
