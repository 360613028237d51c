"""What events of a conversation mean for each of its members. Pure: events in, notices out."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from secureconnect.features.conversations.api import Audience
from secureconnect.features.notifications.api import Notice
from secureconnect.infra.timeline.base import MESSAGE_KINDS, StoredEvent, StoredMessage

__all__ = ["EVERYBODY", "TOLD", "Story", "event_stories", "message_stories"]

#: The kinds of events that anybody is told of.
TOLD: Final = frozenset(
    (
        *MESSAGE_KINDS,
        "reaction_added",
        "conversation_created",
        "member_added",
        "member_removed",
        "member_role_changed",
        "poll_closed",
        "e2ee_mode_changed",
    )
)

#: In the users whom a message calls: all members.
EVERYBODY: Final = "*"


class Story(Struct, frozen=True):
    """A notice. `preview` is what the message says, for those who want to see that in a push."""

    notice: Notice
    preview: str | None = None


def message_stories(
    said: Sequence[StoredMessage],
    audience: Audience,
    called: Mapping[int, Collection[str]],
    uncalled: Collection[str],
    apart: Mapping[str, Collection[str]],
    names: Mapping[str, str],
) -> list[Story]:
    """What to tell the listeners of `audience` of what was `said`, ascending and none of it deleted.

    `called`: users mentioned, by seq; `uncalled`: who wants to hear of mentions like of any message; `apart`:
    between whom and each sender stands a block, so that there is no mention; `names` of those who said
    something.
    """
    authors = {message.sender_id for message in said}
    told: list[Story] = []
    for listener in audience.listeners:
        user_id, floor = listener.user_id, max(listener.last_read_seq, listener.visible_from - 1)
        new = said
        if floor >= said[0].seq or user_id in authors:
            new = [item for item in said if item.seq > floor and item.sender_id != user_id]
        if called and user_id not in uncalled:
            mine = [
                item
                for item in new
                if _calls(called.get(item.seq, ()), user_id)
                and user_id not in apart.get(item.sender_id or "", ())
            ]
            told += [_mention(user_id, audience, item, names) for item in mine]
            if mine:
                new = [item for item in new if item not in mine]
        if new:
            told.append(Story(_message(user_id, audience, new, names), _preview(new[-1], names)))
    return told


def _calls(users: Collection[str], user_id: str) -> bool:
    return user_id in users or EVERYBODY in users


def _mention(user_id: str, audience: Audience, message: StoredMessage, names: Mapping[str, str]) -> Story:
    mention = msgspec.structs.replace(
        _message(user_id, audience, [message], names),
        type="mention",
        title=f"{_sender(message, names)} mentioned you",
        body=_where(audience),
        fold_key=None,
    )
    return Story(mention, _preview(message, names))


def _message(
    user_id: str, audience: Audience, messages: Sequence[StoredMessage], names: Mapping[str, str]
) -> Notice:
    last = messages[-1]
    sender = _sender(last, names)
    data = {"conversation_id": last.conversation_id, "message_id": last.message_id, "seq": str(last.seq)}
    if last.sender_id is not None:
        data["sender_id"] = last.sender_id
    if last.thread_root_id is not None:
        data["thread_root_id"] = last.thread_root_id
    return Notice(
        user_id=user_id,
        type="message",
        title=audience.title or sender,
        body=f"New message from {sender}",
        data=data,
        fold_key=f"message:{last.conversation_id}",
        conversation_id=last.conversation_id,
        seq=last.seq,
        count=len(messages),
        push=not all(message.silent for message in messages),
    )


def _sender(message: StoredMessage, names: Mapping[str, str]) -> str:
    if message.sender_id is None:
        return message.sender_name or "Webhook"
    return names.get(message.sender_id, "Deleted user")


def _preview(message: StoredMessage, names: Mapping[str, str]) -> str | None:
    if message.is_encrypted or not message.content:
        return None
    return f"{_sender(message, names)}: {message.content}"


def _where(audience: Audience) -> str:
    return f"In {audience.title}" if audience.title else "In a conversation"


def event_stories(events: Sequence[StoredEvent], audience: Audience, names: Mapping[str, str]) -> list[Story]:
    """What to tell of `events` that bring no message: listeners of `audience`, and whoever came or went."""
    return [story for event in events for story in _of_event(event, audience, names)]


def _of_event(event: StoredEvent, audience: Audience, names: Mapping[str, str]) -> list[Story]:
    data: dict[str, Any] = msgspec.json.decode(event.data)
    actor = names.get(event.actor_id or "", "Somebody")
    members = {listener.user_id for listener in audience.listeners}
    ids = {"conversation_id": event.conversation_id}
    if event.actor_id is not None:
        ids["actor_id"] = event.actor_id
    match event.kind:
        case "reaction_added":
            return _of_reaction(event, data, members, actor, ids)
        case "conversation_created" if audience.type == "group":
            added = [user_id for user_id in data["members"] if user_id != event.actor_id]
            return [_changed(user_id, "New group", f"{actor} added you", audience, ids) for user_id in added]
        case "member_added" if data["user_id"] != event.actor_id and data["via"] == "added":
            return [_changed(data["user_id"], "New group", f"{actor} added you", audience, ids)]
        case "member_removed" if data["reason"] == "removed":
            return [_changed(data["user_id"], "Removed from a group", f"{actor} removed you", audience, ids)]
        case "member_role_changed" if data["user_id"] != event.actor_id:
            role = "an admin" if data["role"] == "admin" else "a member"
            return [_changed(data["user_id"], "New role", f"{actor} made you {role}", audience, ids)]
        case "e2ee_mode_changed":
            body = f"{actor} turned encryption {'on' if data['is_e2ee_enabled'] else 'off'}"
            return [
                _changed(user_id, "Encryption changed", body, audience, ids)
                for user_id in sorted(members - {event.actor_id or ""})
            ]
        case "poll_closed":
            return _of_poll(event, data, members, audience, ids)
    return []


def _changed(user_id: str, title: str, body: str, audience: Audience, ids: Mapping[str, str]) -> Story:
    # The title may be one that was given after somebody's removal.
    known = audience.title and any(listener.user_id == user_id for listener in audience.listeners)
    where = f": {audience.title}" if known else ""
    return Story(
        Notice(user_id=user_id, type="conversation", title=title, body=f"{body}{where}", data=dict(ids))
    )


def _of_reaction(
    event: StoredEvent, data: Mapping[str, Any], members: Collection[str], actor: str, ids: Mapping[str, str]
) -> list[Story]:
    message = event.message
    author = message.sender_id if message is not None else None
    if message is None or author is None or author == event.actor_id or author not in members:
        return []
    if message.deleted_at is not None:
        return []
    notice = Notice(
        user_id=author,
        type="reaction",
        title=f"{actor} reacted to your message",
        body="",
        data={**ids, "message_id": message.message_id},
        fold_key=f"reaction:{event.conversation_id}",
        conversation_id=event.conversation_id,
        seq=event.seq,
    )
    return [Story(notice, f"{actor} {data['emoji']}")]


def _of_poll(
    event: StoredEvent,
    data: Mapping[str, Any],
    members: Collection[str],
    audience: Audience,
    ids: Mapping[str, str],
) -> list[Story]:
    creator = event.message.sender_id if event.message is not None else None
    if creator is None or creator == event.actor_id or creator not in members:
        return []
    notice = Notice(
        user_id=creator,
        type="poll",
        title="Your poll has ended",
        body=_where(audience),
        data={**ids, "poll_id": data["poll_id"]},
        conversation_id=event.conversation_id,
        seq=event.seq,
    )
    return [Story(notice)]
