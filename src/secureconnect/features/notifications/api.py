"""What other features may tell users, and what notifications need from those that carry them out."""

from collections.abc import Collection, Mapping
from typing import Literal, Protocol

from msgspec import Struct

from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.objects import Id, Time

__all__ = ["Notice", "NoticeType", "Notification", "Notifications", "Pushes"]

NoticeType = Literal[
    "message",
    "mention",
    "reaction",
    "call",
    "friend_request",
    "conversation",
    "poll",
    "system",
    "security",
]


class Notification(Struct, frozen=True, kw_only=True):
    """One entry of the inbox; `count` events are folded into it. `data` holds ids."""

    notification_id: Id
    type: NoticeType
    title: str
    body: str
    data: dict[str, str]
    count: int
    is_read: bool
    is_pushed: bool
    created_at: Time
    updated_at: Time
    read_at: Time | None


class Notice(Struct, frozen=True, kw_only=True):
    """What to tell a user. `data` holds ids, no secrets; texts say nothing that the user may not see.

    `fold_key` joins it to the unread entry with the same key. `conversation_id` and `seq` are where it
    happened: whoever reads that far has read the entry too. `count` events are told at once.
    """

    user_id: str
    type: NoticeType
    title: str
    body: str
    data: Mapping[str, str]
    fold_key: str | None = None
    conversation_id: str | None = None
    seq: int | None = None
    count: int = 1
    push: bool = True


class Notifications(Protocol):
    """The inbox of every user."""

    def tell_in(self, tx: WriteTx, notice: Notice) -> None:
        """Put an entry into the inbox, in the transaction of what it is about, unless the user does not want
        such entries; `security` cannot be switched off. It is pushed too when `notice.push` and the user
        want it."""

    def pushable_in(self, tx: WriteTx, user_ids: Collection[str], type_: NoticeType) -> set[str]:
        """Those of `user_ids` who want pushes of this type now, for whoever queues some without an entry."""

    def read_in(self, tx: WriteTx, user_id: str, conversation_id: str, seq: int) -> None:
        """The user has read a conversation up to `seq`, and with it what was told of it."""


class Pushes(Protocol):
    """Carries notices to devices; offered by `push`."""

    def push_in(self, tx: WriteTx, notice: Notice, notification_id: str, *, preview: str | None) -> bool:
        """Queue a push to the user's devices, in the transaction of the entry; False when there is none.

        `preview` is what the message says, given only where the user wants it shown.
        """
