"""What the SFU makes of calls through it (docs/reference/rules.md §8)."""

from msgspec.structs import replace

from secureconnect.features.calls.rules.ending import finish
from secureconnect.features.calls.rules.talk import Talk, changed, cleared

__all__ = [
    "sfu_back",
    "sfu_joined",
    "sfu_left",
    "sfu_lost",
    "still_there",
]


def sfu_joined(talk: Talk, user_id: str, now: int) -> Talk:
    """The SFU says that the user is connected there: an answer of who is called. Who is neither in the call
    nor called has a pass from before, and does not get in by it."""
    person = talk.people.get(user_id)
    if person is None or person.withdrawn or talk.call.over:
        return talk
    if person.taking_part:
        return changed(talk, replace(person, state="joined", lost_at=None)) if person.lost_at else talk
    if not person.called or len(talk.inside) >= talk.call.max_participants:
        return talk
    back = replace(cleared(person), state="joined", joined_at=now, left_at=None, lost_at=None)
    call = talk.call
    if call.status == "ringing" and user_id != call.caller_id:
        call = replace(call, status="active", started_at=now)
    return changed(Talk(call, talk.people), back)


def sfu_left(talk: Talk, user_id: str, at: int) -> Talk:
    """The SFU says that the user is connected there no more; without a socket that means lost."""
    person = talk.people.get(user_id)
    if person is None or not person.taking_part or talk.call.over or person.connection_id is not None:
        return talk
    if person.lost_at is not None or (person.joined_at or 0) > at + 999:  # told to the second
        return talk
    return changed(talk, replace(person, state="reconnecting", lost_at=at))


def still_there(talk: Talk, user_id: str) -> Talk:
    """A lost socket does not count while the SFU has the user."""
    person = talk.people.get(user_id)
    if person is None or not person.taking_part or person.lost_at is None:
        return talk
    return changed(talk, replace(person, state="joined", lost_at=None, connection_id=None, process_id=None))


def sfu_lost(talk: Talk, now: int, patience_ms: int) -> Talk:
    """The SFU does not answer; after `patience_ms` its calls have failed."""
    call = talk.call
    if call.over:
        return talk
    if call.sfu_lost_at is None:
        return Talk(replace(call, sfu_lost_at=now), talk.people)
    if now - call.sfu_lost_at < patience_ms:
        return talk
    return finish(talk, "failed", "sfu_failed", now)


def sfu_back(talk: Talk) -> Talk:
    """The SFU answers again."""
    if talk.call.over or talk.call.sfu_lost_at is None:
        return talk
    return Talk(replace(talk.call, sfu_lost_at=None), talk.people)
