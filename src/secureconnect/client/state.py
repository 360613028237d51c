"""A local copy of conversations that events keep up to date.

Applying every event gives the same as reading the conversation again: that is what makes a client that only
listens right. Only what events describe is kept; names of people and the caller's own marks are not in them.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from secureconnect.client.errors import ClientError
from secureconnect.client.models.base import Moment
from secureconnect.client.models.conversations import ConversationCore, Participant, Settings
from secureconnect.client.models.messages import Event, Message
from secureconnect.client.poll_state import asked, closed, shared_poll, voted

__all__ = ["ConversationState", "LocalState", "SequenceGap"]

_SETTINGS = frozenset(Settings.__struct_fields__) - {"updated_at"}


_PREVIEW = 100
_NOTHING_LEFT: dict[str, Any] = {
    "content": "",
    "metadata": {},
    "e2ee": None,
    "attachments": [],
    "reply_to": None,
    "mentions": [],
    "mention_all": False,
    "mention_here": False,
    "reactions": [],
    "poll": None,
    "pinned": False,
    "expires_at": None,
}


class SequenceGap(ClientError):
    """An event that is not the next one: read the conversation again."""


class ConversationState(msgspec.Struct, kw_only=True):
    """One conversation at `last_seq`. `members` maps user_id to role; `messages` are by seq, oldest first.

    `messages` reach from any of them up to the newest without a gap. Their reactions do not say `me`.
    """

    conversation_id: str
    type: str
    title: str | None
    description: str | None
    avatar_url: str | None
    created_by: str
    owner_id: str | None
    settings: Settings
    created_at: Moment
    updated_at: Moment
    last_seq: int
    members: dict[str, str]
    messages: dict[int, Message]

    @classmethod
    def of(
        cls,
        conversation: ConversationCore,
        participants: Iterable[Participant] = (),
        messages: Iterable[Message] = (),
    ) -> "ConversationState":
        """The state as the server tells it, read while nothing changes."""
        return cls(
            conversation_id=conversation.conversation_id,
            type=conversation.type,
            title=conversation.title,
            description=conversation.description,
            avatar_url=conversation.avatar_url,
            created_by=conversation.created_by,
            owner_id=conversation.owner_id,
            settings=conversation.settings,
            created_at=conversation.created_at,
            updated_at=conversation.updated_at,
            last_seq=conversation.last_seq,
            members={member.user_id: member.role for member in participants},
            messages={message.seq: _shared(message) for message in sorted(messages, key=_place)},
        )

    @classmethod
    def created(cls, event: Event) -> "ConversationState":
        """The state after `conversation_created`, always the first event."""
        conversation = msgspec.convert(event.data["conversation"], ConversationCore)
        state = cls.of(conversation)
        direct = conversation.type == "direct"
        state.members = {
            user_id: "admin" if direct or user_id == conversation.owner_id else "member"
            for user_id in event.data["members"]
        }
        state.last_seq = event.seq
        state.updated_at = event.sent_at
        return state

    def apply(self, event: Event) -> None:
        """Move on by one event; one that was applied already changes nothing.

        Raises:
            SequenceGap: events between are missing.
        """
        if event.seq <= self.last_seq:
            return
        if event.seq != self.last_seq + 1:
            raise SequenceGap(f"{self.conversation_id} is at {self.last_seq}, the event at {event.seq}")
        self.last_seq = event.seq
        self.updated_at = event.sent_at
        if not self._apply_to_messages(event):
            self._apply_to_members(event)

    def _apply_to_messages(self, event: Event) -> bool:
        data = event.data
        match event.kind:
            case "message_created":
                message = self.messages[event.seq] = _shared(msgspec.convert(data["message"], Message))
                self._count_replies(message.thread_root_id)
            case "poll_created":
                self.messages[event.seq] = asked(event)
            case "poll_voted" | "poll_closed":
                self._move_poll(event)
            case "message_edited":
                self._put(data["target_seq"], _shared(msgspec.convert(data["message"], Message)))
            case "message_deleted":
                self._delete(data, event.sent_at)
            case "reaction_added" | "reaction_removed":
                self._update(data["target_seq"], reactions=data["reactions"])
            case "message_pinned" | "message_unpinned":
                self._update(data["target_seq"], pinned=event.kind == "message_pinned")
            case _:
                return False
        return True

    def _apply_to_members(self, event: Event) -> None:
        data = event.data
        match event.kind:
            case "member_added":
                self.members[data["user_id"]] = data["role"]
            case "member_removed":
                self.members.pop(data["user_id"], None)
            case "member_role_changed":
                self.members[data["user_id"]] = data["role"]
                self.owner_id = data["owner_id"]
            case "conversation_updated":
                self._change(data["changed"], event.sent_at)
            case "e2ee_mode_changed":
                self._change({"is_e2ee_enabled": data["is_e2ee_enabled"]}, event.sent_at)
            case _:  # a kind of a later version: it has its place, and nothing that is kept here
                pass

    def _update(self, seq: int, **fields: Any) -> None:
        """Change a message; one from before those that are kept is left alone."""
        if seq in self.messages:
            self._put(seq, msgspec.structs.replace(self.messages[seq], **fields))

    def _put(self, seq: int, message: Message) -> None:
        """Take the new state of a message, and what its answers quote of it."""
        if seq not in self.messages:
            return
        self.messages[seq] = message
        preview = "" if message.is_encrypted else message.content[:_PREVIEW]
        for place, answer in self.messages.items():
            quoted = answer.reply_to
            if quoted is not None and quoted.message_id == message.message_id and quoted.preview != preview:
                told = msgspec.structs.replace(quoted, preview=preview)
                self.messages[place] = msgspec.structs.replace(answer, reply_to=told)

    def _delete(self, data: dict[str, Any], at: Moment) -> None:
        seq = data["target_seq"]
        self._update(
            seq,
            **_NOTHING_LEFT,
            deleted_at=at,
            deleted_by=data["deleted_by"],
            delete_reason=data["reason"],
        )
        if seq in self.messages:
            self._count_replies(self.messages[seq].thread_root_id)

    def _move_poll(self, event: Event) -> None:
        message = self.messages.get(event.data["target_seq"])
        if message is not None and message.poll is not None:
            move = voted if event.kind == "poll_voted" else closed
            self._update(message.seq, poll=move(message.poll, event))

    def _count_replies(self, root_id: str | None) -> None:
        """Count the answers in a thread: all later than its root, so that with the root all are kept."""
        if root_id is None:
            return
        replies = [each for each in self.messages.values() if each.thread_root_id == root_id]
        count = sum(each.deleted_at is None for each in replies)
        for seq, message in self.messages.items():
            if message.message_id == root_id:
                self.messages[seq] = msgspec.structs.replace(message, reply_count=count)

    def _change(self, changed: dict[str, Any], at: Moment) -> None:
        settings = {field: value for field, value in changed.items() if field in _SETTINGS}
        if settings:
            self.settings = msgspec.structs.replace(self.settings, **settings, updated_at=at)
        for field in {"title", "description", "avatar_url"} & changed.keys():
            setattr(self, field, changed[field])


def _place(message: Message) -> int:
    return message.seq


def _shared(message: Message) -> Message:
    """The message as everybody has it."""
    if message.poll is not None:
        message = msgspec.structs.replace(message, poll=shared_poll(message.poll))
    if not message.reactions:
        return message
    reactions = [{key: each[key] for key in each if key != "me"} for each in message.reactions]
    return msgspec.structs.replace(message, reactions=reactions)


class LocalState:
    """Conversations by id, fed with events from their first one, or from a state that was read."""

    def __init__(self, conversations: Iterable[ConversationState] = ()) -> None:
        self.conversations = {state.conversation_id: state for state in conversations}

    def apply(self, event: Event) -> None:
        """Move the event's conversation on.

        Raises:
            SequenceGap: the conversation is unknown, or events between are missing.
        """
        state = self.conversations.get(event.conversation_id)
        if state is not None:
            state.apply(event)
        elif event.kind == "conversation_created":
            self.conversations[event.conversation_id] = ConversationState.created(event)
        else:
            raise SequenceGap(f"{event.conversation_id} is not known, the event is at {event.seq}")

    def put(self, state: ConversationState) -> None:
        """Take a conversation as it was read, in place of what is known."""
        self.conversations[state.conversation_id] = state

    def drop(self, conversation_id: str) -> None:
        """Forget a conversation that was left, removed or reset."""
        self.conversations.pop(conversation_id, None)
