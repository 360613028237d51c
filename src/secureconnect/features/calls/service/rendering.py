"""Calls and their frames as clients see them (docs/reference/realtime.md §5, §10)."""

from collections.abc import Mapping

from secureconnect.edge.realtime.frames import json_frame
from secureconnect.features.calls.api import Call, CallParticipant
from secureconnect.features.calls.rules import CallRecord, Departure, Participant, Talk
from secureconnect.features.users.api import UserRecord, public_user
from secureconnect.kit.clock import rfc3339

__all__ = [
    "answered_elsewhere_frame",
    "cancelled_frame",
    "ended_frame",
    "incoming_frame",
    "join_frame",
    "leave_frame",
    "reconnected_frame",
    "reconnecting_frame",
    "render_call",
    "render_participant",
    "ringing_frame",
    "updated_frame",
]

_NOBODY = "Deleted user"


def render_call(talk: Talk, users: Mapping[str, UserRecord]) -> Call:
    """A call for anybody who may see it."""
    call = talk.call
    return Call(
        call_id=call.call_id,
        conversation_id=call.conversation_id,
        caller_id=call.caller_id,
        call_type=call.call_type,
        topology=call.topology,
        status=call.status,
        max_participants=call.max_participants,
        participants=[render_participant(person, users) for person in talk.people.values()],
        ring_expires_at=rfc3339(call.ring_expires_at),
        started_at=_time(call.started_at),
        ended_at=_time(call.ended_at),
        duration=call.duration,
        end_reason=call.end_reason,
        recording=talk.recording,
        created_at=rfc3339(call.created_at),
    )


def render_participant(person: Participant, users: Mapping[str, UserRecord]) -> CallParticipant:
    """One participant."""
    return CallParticipant(
        user_id=person.user_id,
        display_name=_name(users.get(person.user_id)),
        state=person.state,
        joined_at=_time(person.joined_at),
        left_at=_time(person.left_at),
        audio_muted=person.audio_muted,
        video_muted=person.video_muted,
        screen_sharing=person.screen_sharing,
        hand_raised=person.hand_raised,
    )


def incoming_frame(call: Call, caller: UserRecord, ring_expires_at: int) -> bytes:
    """For the devices of somebody who is called. The caller's presence is its own business."""
    return json_frame(
        {
            "type": "call_incoming",
            "call": call,
            "caller": public_user(caller, None),
            "ring_expires_at": rfc3339(ring_expires_at),
        }
    )


def ringing_frame(call_id: str, user_id: str) -> bytes:
    """For the caller: a device of `user_id` rings."""
    return json_frame({"type": "call_ringing", "call_id": call_id, "user_id": user_id})


def answered_elsewhere_frame(call_id: str, session_id: str | None) -> bytes:
    """For the other devices of who joined or declined."""
    return json_frame({"type": "call_answered_elsewhere", "call_id": call_id, "session_id": session_id})


def cancelled_frame(call_id: str, status: str, end_reason: str | None) -> bytes:
    """For devices that still ring."""
    return json_frame(
        {"type": "call_cancelled", "call_id": call_id, "status": status, "end_reason": end_reason}
    )


def updated_frame(call: Call) -> bytes:
    """The state of a call, on both sockets."""
    return json_frame({"type": "call_updated", "call": call})


def ended_frame(call: CallRecord) -> bytes:
    """The last frame of a signaling socket."""
    return json_frame(
        {
            "type": "call_ended",
            "call_id": call.call_id,
            "status": call.status,
            "end_reason": call.end_reason,
            "duration": call.duration,
        }
    )


def join_frame(call_id: str, participant: CallParticipant) -> bytes:
    """Somebody's signaling socket joined."""
    return json_frame(
        {
            "type": "join",
            "call_id": call_id,
            "sender_id": participant.user_id,
            "participant": participant,
        }
    )


def leave_frame(call_id: str, user_id: str, reason: Departure) -> bytes:
    """Somebody is out."""
    return json_frame({"type": "leave", "call_id": call_id, "sender_id": user_id, "reason": reason})


def reconnecting_frame(call_id: str, user_id: str, until: int) -> bytes:
    """Somebody's socket was lost; it may come back until then."""
    return json_frame(
        {
            "type": "participant_reconnecting",
            "call_id": call_id,
            "user_id": user_id,
            "until": rfc3339(until),
        }
    )


def reconnected_frame(call: Call, user_id: str) -> bytes:
    """Somebody came back."""
    return json_frame(
        {
            "type": "reconnected",
            "call_id": call.call_id,
            "user_id": user_id,
            "participants": call.participants,
        }
    )


def _time(at: int | None) -> str | None:
    return rfc3339(at) if at is not None else None


def _name(user: UserRecord | None) -> str:
    return user.display_name if user is not None and user.state != "erased" else _NOBODY
