"""What people do in a call that exists (docs/reference/rules.md §8)."""

from collections.abc import Iterable

from msgspec.structs import replace

from secureconnect.features.calls.rules.ending import unanswered
from secureconnect.features.calls.rules.planning import rung
from secureconnect.features.calls.rules.talk import Talk, changed, cleared, may_signal
from secureconnect.kit.errors import ApiError, Detail, ErrorCode

__all__ = [
    "decline",
    "hear_ringing",
    "invite",
    "join",
    "place_lost",
    "placed",
    "show",
]


def join(talk: Talk, user_id: str, session_id: str, now: int, *, takeover: bool) -> Talk:
    """Answer, come back, or move the call to another session; the same session again changes nothing.

    Raises:
        ApiError: `FORBIDDEN`, `CALL_ENDED`, `CALL_ANSWERED_ELSEWHERE`, `CALL_CAPACITY_REACHED`.
    """
    person = may_signal(talk, user_id)
    if person.taking_part:
        if person.session_id == session_id:
            return talk
        if not takeover and person.session_id is not None:
            raise ApiError(
                ErrorCode.CALL_ANSWERED_ELSEWHERE, "Another device of yours is in this call; take it over."
            )
        moved = replace(
            person,
            state="joined",
            session_id=session_id,
            connection_id=None,
            process_id=None,
            joined_at=now,
            lost_at=None,
        )
        return changed(talk, moved)
    capacity = talk.call.max_participants
    if len(talk.inside) >= capacity:
        raise ApiError(
            ErrorCode.CALL_CAPACITY_REACHED, f"call is at full capacity (max {capacity} participants)"
        )
    joined = replace(
        cleared(person),
        state="joined",
        session_id=session_id,
        connection_id=None,
        process_id=None,
        joined_at=now,
        left_at=None,
        lost_at=None,
    )
    talk = changed(talk, joined)
    if talk.call.status == "ringing" and user_id != talk.call.caller_id:
        talk = Talk(replace(talk.call, status="active", started_at=now), talk.people)
    return talk


def placed(talk: Talk, user_id: str, connection_id: str, process_id: str) -> Talk:
    """A signaling socket takes part for the user from now on; who was lost is back."""
    person = talk.people[user_id]
    if not person.taking_part or talk.call.over:
        return talk
    here = replace(person, state="joined", connection_id=connection_id, process_id=process_id, lost_at=None)
    return changed(talk, here)


def place_lost(talk: Talk, user_id: str, connection_id: str, at: int) -> Talk:
    """The socket that took part for the user is gone; another one may have come in its place before."""
    person = talk.people.get(user_id)
    if person is None or not person.taking_part or talk.call.over:
        return talk
    if person.connection_id != connection_id or person.lost_at is not None:
        return talk
    return changed(talk, replace(person, state="reconnecting", lost_at=at))


def show(talk: Talk, user_id: str, **shown: bool) -> Talk:
    """What a participant shows: `audio_muted`, `video_muted`, `screen_sharing`, `hand_raised`, `recording`.

    Raises:
        ApiError: `FORBIDDEN`, `CALL_ENDED`.
    """
    person = may_signal(talk, user_id)
    if not person.taking_part:
        raise ApiError(ErrorCode.FORBIDDEN, "You are not in this call.")
    return changed(talk, replace(person, **shown))


def hear_ringing(talk: Talk, user_id: str) -> Talk:
    """A device of `user_id` rings."""
    person = talk.people.get(user_id)
    if person is None or person.state != "invited" or talk.call.over:
        return talk
    return changed(talk, replace(person, state="ringing"))


def decline(talk: Talk, user_id: str, now: int) -> Talk:
    """Do not want to talk. Who declined, or left, stays so.

    Raises:
        ApiError: `FORBIDDEN`, `CALL_ENDED`, `CONFLICT`.
    """
    person = may_signal(talk, user_id)
    if person.taking_part:
        joined = [Detail("call_id", "you are in this call: leave it")]
        raise ApiError(ErrorCode.CONFLICT, "You are in this call.", details=joined)
    if not person.called and person.state != "missed":
        return talk
    return unanswered(changed(talk, replace(person, state="declined")), now)


def invite(talk: Talk, user_id: str, asked: Iterable[str], now: int, until: int) -> tuple[Talk, list[str]]:
    """Let the call ring for more people, until `until`; also for some who declined, missed it or left.

    Returns the call, and for whom it begins to ring.

    Raises:
        ApiError: `FORBIDDEN`, `CALL_ENDED`.
    """
    if not may_signal(talk, user_id).taking_part:
        raise ApiError(ErrorCode.FORBIDDEN, "Only who is in the call may invite.")
    ringing: list[str] = []
    for each in asked:
        known = talk.people.get(each)
        if known is not None and (known.taking_part or known.called):
            continue
        fresh = rung(each, now, until)
        if known is not None:  # what it said before about the call stays
            fresh = replace(known, state="invited", invited_at=now, ring_expires_at=until, withdrawn=False)
        talk = changed(talk, fresh)
        ringing.append(each)
    if ringing and talk.call.status == "ringing":
        talk = Talk(replace(talk.call, ring_expires_at=until), talk.people)
    return talk, ringing
