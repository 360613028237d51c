"""How polls move on by events, for nobody in particular: whose votes are one's own is not in them."""

from typing import Any

from secureconnect.client.models.messages import Event, Message

__all__ = ["asked", "closed", "shared_poll", "voted"]

_OWN = ("user_voted", "user_vote_options")


def shared_poll(poll: dict[str, Any]) -> dict[str, Any]:
    """The poll as everybody has it."""
    return {key: value for key, value in poll.items() if key not in _OWN}


def asked(event: Event) -> Message:
    """The message of a `poll_created`."""
    poll = event.data["poll"]
    return Message(
        message_id=poll["poll_id"],
        conversation_id=event.conversation_id,
        seq=event.seq,
        sender_id=poll["creator_id"],
        sender_name=poll["creator_name"],
        content=poll["question"],
        is_encrypted=poll["is_encrypted"],
        message_type="poll",
        poll=shared_poll(poll),
        sent_at=event.sent_at,
    )


def voted(poll: dict[str, Any], event: Event) -> dict[str, Any]:
    """The poll after a `poll_voted`."""
    return {**poll, **_counts(poll, event), "updated_at": _text(event)}


def closed(poll: dict[str, Any], event: Event) -> dict[str, Any]:
    """The poll after a `poll_closed`."""
    at = _text(event)
    end = {"is_closed": True, "closed_at": at, "close_reason": event.data["reason"], "updated_at": at}
    return {**poll, **_counts(poll, event), **end}


def _counts(poll: dict[str, Any], event: Event) -> dict[str, Any]:
    told = {option["option_id"]: option for option in event.data["options"]}
    return {
        "options": [{**option, **told[option["option_id"]]} for option in poll["options"]],
        "total_votes": event.data["total_votes"],
        "total_voters": event.data["total_voters"],
    }


def _text(event: Event) -> str:
    """The event's time as the server writes it."""
    return event.sent_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
