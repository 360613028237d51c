"""Who is not looking: pushes that ring or stop ringing, notices of missed calls, the personal log."""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, Protocol

from secureconnect.features.calls.rules import Participant, Talk
from secureconnect.features.calls.store import CallLog, add_logs
from secureconnect.features.conversations.api import Conversations
from secureconnect.features.notifications.api import Notice, NoticeType
from secureconnect.features.push.api import Ring
from secureconnect.features.users.api import UserRecord
from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.clock import Clock

__all__ = ["Inboxes", "Ringers", "Summons"]


class Inboxes(Protocol):
    """The part of notifications that calls need."""

    def tell_in(self, tx: WriteTx, notice: Notice) -> None:
        """See `Notifications`."""

    def pushable_in(self, tx: WriteTx, user_ids: Collection[str], type_: NoticeType) -> set[str]:
        """See `Notifications`."""


class Ringers(Protocol):
    """The part of pushes that calls need."""

    def ring_in(self, tx: WriteTx, ring: Ring) -> bool:
        """See `RingingPushes`."""

    def hush_in(self, tx: WriteTx, ring: Ring) -> bool:
        """See `RingingPushes`."""


class Summons:
    """What follows from a change for people who have no socket open."""

    def __init__(
        self, conversations: Conversations, inboxes: Inboxes, ringers: Ringers, clock: Clock
    ) -> None:
        self._conversations = conversations
        self._inboxes = inboxes
        self._ringers = ringers
        self._clock = clock

    def follow_in(
        self,
        tx: WriteTx,
        before: Talk,
        after: Talk,
        users: Mapping[str, UserRecord],
        seq: int | None,
    ) -> None:
        """Ring for who is called now, stop for who is not any more; `seq` is where `call_ended` stands."""
        called, hushed, missed = [], [], []
        for person in after.people.values():
            known = before.people.get(person.user_id)
            was_called = known is not None and known.called
            if person.called and not was_called:
                called.append(person)
            elif was_called and not person.called:
                hushed.append(person)
                if person.state == "missed" and not person.withdrawn:
                    missed.append(person)
        if called or hushed:
            caller = users.get(after.call.caller_id)
            name = caller.display_name if caller is not None else ""
            self._ring_in(tx, after, called, name)
            for person in hushed:
                self._ringers.hush_in(tx, _ring(after, person.user_id, name, event=_outcome(person)))
            self._miss_in(tx, after, missed, name, seq)
        if after.call.over and not before.call.over:
            add_logs(tx, _logs(after))

    def _ring_in(self, tx: WriteTx, talk: Talk, called: Sequence[Participant], name: str) -> None:
        if not called:
            return
        wanted = self._inboxes.pushable_in(tx, [person.user_id for person in called], "call")
        wanted -= self._muted_in(tx, talk, wanted)
        for user_id in wanted:
            self._ringers.ring_in(tx, _ring(talk, user_id, name))

    def _miss_in(
        self, tx: WriteTx, talk: Talk, missed: Sequence[Participant], name: str, seq: int | None
    ) -> None:
        if not missed:
            return
        muted = self._muted_in(tx, talk, {person.user_id for person in missed})
        call = talk.call
        for person in missed:
            if person.user_id in muted:
                continue
            self._inboxes.tell_in(
                tx,
                Notice(
                    user_id=person.user_id,
                    type="call",
                    title="Missed call",
                    body=f"{name} called",
                    data={
                        "call_id": call.call_id,
                        "conversation_id": call.conversation_id,
                        "caller_id": call.caller_id,
                        "call_type": call.call_type,
                    },
                    conversation_id=call.conversation_id if seq is not None else None,
                    seq=seq,
                ),
            )

    def _muted_in(self, tx: WriteTx, talk: Talk, user_ids: Collection[str]) -> set[str]:
        now = self._clock.now()
        return {
            user_id
            for user_id, until in self._conversations.muted_in(
                tx.conn, talk.call.conversation_id, user_ids
            ).items()
            if until > now
        }


def _ring(talk: Talk, user_id: str, name: str, *, event: str = "ringing") -> Ring:
    call = talk.call
    return Ring(
        user_id=user_id,
        call_id=call.call_id,
        text=f"{name} is calling",
        data={
            "event": event,
            "conversation_id": call.conversation_id,
            "caller_id": call.caller_id,
            "call_type": call.call_type,
        },
    )


def _outcome(person: Participant) -> str:
    """Why a device stops ringing."""
    return "answered_elsewhere" if person.state in {"joined", "declined"} else "cancelled"


def _logs(talk: Talk) -> list[CallLog]:
    call = talk.call
    assert call.ended_at is not None
    return [
        CallLog(
            user_id=person.user_id,
            started_at=call.created_at,
            call_id=call.call_id,
            conversation_id=call.conversation_id,
            call_type=call.call_type,
            direction="outgoing" if person.user_id == call.caller_id else "incoming",
            ended_at=call.ended_at,
            duration=call.duration if person.joined_at is not None else 0,
            status=_fate(talk, person),
        )
        for person in talk.people.values()
    ]


def _fate(talk: Talk, person: Participant) -> Literal["completed", "missed", "declined", "failed"]:
    if talk.call.status == "failed":
        return "failed"
    if person.state == "declined" or (
        talk.call.status == "declined" and person.user_id == talk.call.caller_id
    ):
        return "declined"
    answered = talk.call.started_at is not None and person.joined_at is not None
    return "completed" if answered else "missed"
