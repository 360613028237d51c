"""How people get out of calls, and calls come to their end (docs/reference/rules.md §8)."""

from msgspec.structs import replace

from secureconnect.features.calls.api import CallStatus, EndReason
from secureconnect.features.calls.rules.talk import Departure, Participant, Talk, changed, cleared, invited
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = [
    "end",
    "finish",
    "leave",
    "part",
    "ring_out",
    "unanswered",
    "withdraw",
]


def leave(talk: Talk, user_id: str, now: int, why: Departure) -> Talk:
    """Get out. Who is not in it, or a call that is over, changes nothing.

    Raises:
        ApiError: `FORBIDDEN` for who was not invited.
    """
    person = invited(talk, user_id) if why == "left" else talk.people.get(user_id)
    if person is None or not person.taking_part or talk.call.over:
        return talk
    gone = replace(cleared(person), state="left", left_at=now, lost_at=None)
    talk = changed(talk, gone)
    lost = why == "connection_lost"
    if talk.call.status == "ringing":
        # Nobody but the caller is in a call that rings.
        return finish(talk, "missed", "connection_lost" if lost else "cancelled", now)
    if talk.call.conversation_type == "direct" or not talk.inside:
        return finish(talk, "ended", "connection_lost" if lost else "hangup", now)
    return talk


def withdraw(talk: Talk, user_id: str, now: int) -> Talk:
    """The user is no member of the conversation any more."""
    person = talk.people.get(user_id)
    if person is None or person.withdrawn or talk.call.over:
        return talk
    talk = leave(talk, user_id, now, "removed")
    person = replace(talk.people[user_id], withdrawn=True)
    if person.called:
        person = replace(person, state="missed")
    talk = changed(talk, person)
    return talk if talk.call.over else unanswered(talk, now)


def part(talk: Talk, now: int) -> Talk:
    """One of the two in a direct call blocked the other: it ends, and tells neither of them why."""
    if talk.call.conversation_type != "direct":
        return talk
    if talk.call.status == "ringing":
        return finish(talk, "missed", "cancelled", now)
    return finish(talk, "ended", "hangup", now)


def ring_out(talk: Talk, now: int) -> Talk:
    """Those who let it ring until their time was over missed the call."""
    if talk.call.over:
        return talk
    for person in talk.people.values():
        if person.called and person.ring_expires_at <= now:
            talk = changed(talk, replace(person, state="missed"))
    return unanswered(talk, now)


def end(talk: Talk, user_id: str, now: int, *, is_admin: bool) -> Talk:
    """End the call for everybody; one that is over stays as it is. `is_admin` of the group.

    Raises:
        ApiError: `FORBIDDEN`.
    """
    call, person = talk.call, talk.people.get(user_id)
    present = person is not None and not person.withdrawn
    caller = present and user_id == call.caller_id
    talking = person is not None and call.conversation_type == "direct" and person.joined_at is not None
    if not (caller or talking or is_admin):
        raise ApiError(ErrorCode.FORBIDDEN, "Only the caller and admins may end this call.")
    if call.over:
        return talk
    own = caller or talking
    if call.status == "ringing":
        return finish(talk, "missed", "cancelled" if own else "admin", now)
    return finish(talk, "ended", "hangup" if own else "admin", now)


def finish(talk: Talk, status: CallStatus, reason: EndReason, now: int) -> Talk:
    """The final state: who is in it is out, who was called missed it."""
    if talk.call.over:
        return talk
    started = talk.call.started_at
    call = replace(
        talk.call,
        status=status,
        end_reason=reason,
        ended_at=now,
        duration=max(0, now - started) // 1000 if started is not None else 0,
    )
    return Talk(call, {person.user_id: _finished(person, now) for person in talk.people.values()})


def _finished(person: Participant, now: int) -> Participant:
    if person.taking_part:
        return replace(cleared(person), state="left", left_at=now, lost_at=None)
    return replace(person, state="missed") if person.called else person


def unanswered(talk: Talk, now: int) -> Talk:
    """The end of a call that rings for nobody any more."""
    call = talk.call
    others = [person for person in talk.people.values() if person.user_id != call.caller_id]
    if call.status != "ringing" or any(person.called for person in others):
        return talk
    asked = [person for person in others if not person.withdrawn]
    if asked and all(person.state == "declined" for person in asked):
        return finish(talk, "declined", "declined", now)
    return finish(talk, "missed", "ring_timeout" if asked else "cancelled", now)
