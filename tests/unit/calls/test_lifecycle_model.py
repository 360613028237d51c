"""The life of a call under random deeds of everybody (hypothesis), and what holds whatever they do."""

from collections.abc import Callable
from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from secureconnect.features.calls import rules
from secureconnect.features.calls.rules import CallRecord, Talk
from secureconnect.kit.errors import ApiError, ErrorCode

_PEOPLE: Final = ("a", "b", "c", "d", "e", "f")
_RING: Final = 45_000
_ALLOWED: Final = {
    ErrorCode.FORBIDDEN,
    ErrorCode.CALL_ENDED,
    ErrorCode.CONFLICT,
    ErrorCode.CALL_ANSWERED_ELSEWHERE,
    ErrorCode.CALL_CAPACITY_REACHED,
}


class Life(RuleBasedStateMachine):
    """Six people, two sessions each, one call for four."""

    talk: Talk
    before: Talk

    @initialize(direct=st.booleans())
    def begin(self, direct: bool) -> None:
        self.now = 1_000_000
        call = CallRecord(
            call_id="call",
            conversation_id="g",
            conversation_type="direct" if direct else "group",
            caller_id="a",
            call_type="audio",
            topology="mesh",
            status="ringing",
            max_participants=4,
            ring_expires_at=self.now + _RING,
            created_at=self.now,
        )
        self.talk = self.before = rules.begin(call, ["b"] if direct else ["b", "c", "d"], "a1")

    def _try(self, change: Callable[[Talk], Talk]) -> ErrorCode | None:
        self.before = self.talk
        try:
            self.talk = change(self.talk)
        except ApiError as error:
            refused = error.code
        else:
            return None
        assert refused in _ALLOWED
        return refused

    @rule(who=st.sampled_from(_PEOPLE), session=st.integers(1, 2), takeover=st.booleans())
    def join(self, who: str, session: int, takeover: bool) -> None:
        key = f"{who}{session}"
        refused = self._try(lambda talk: rules.join(talk, who, key, self.now, takeover=takeover))
        if refused is None:
            assert self.talk.people[who].session_id == key
            assert self._try(lambda talk: rules.join(talk, who, key, self.now, takeover=False)) is None
            assert self.talk == self.before
        if refused is ErrorCode.CALL_CAPACITY_REACHED:
            assert len(self.talk.inside) == 4
        if refused is ErrorCode.CALL_ANSWERED_ELSEWHERE:
            assert self.talk.people[who].taking_part
            assert not takeover

    @rule(who=st.sampled_from(_PEOPLE))
    def connect(self, who: str) -> None:
        person = self.talk.people.get(who)
        if person is not None:
            self.talk = rules.placed(self.talk, who, f"socket {self.now}", "process")

    @rule(who=st.sampled_from(_PEOPLE))
    def lose(self, who: str) -> None:
        person = self.talk.people.get(who)
        if person is not None and person.connection_id is not None:
            self._try(lambda talk: rules.place_lost(talk, who, person.connection_id or "", self.now))

    @rule(who=st.sampled_from(_PEOPLE))
    def decline(self, who: str) -> None:
        if self._try(lambda talk: rules.decline(talk, who, self.now)) is ErrorCode.CONFLICT:
            assert self.talk.people[who].taking_part

    @rule(who=st.sampled_from(_PEOPLE), more=st.sets(st.sampled_from(_PEOPLE), min_size=1))
    def invite(self, who: str, more: set[str]) -> None:
        if self.talk.call.conversation_type == "direct":
            more = more & {"a", "b"}  # the service lets nobody invite others than members
        self._try(lambda talk: rules.invite(talk, who, sorted(more), self.now, self.now + _RING)[0])

    @rule(who=st.sampled_from(_PEOPLE), lost=st.booleans())
    def leave(self, who: str, lost: bool) -> None:
        self._try(lambda talk: rules.leave(talk, who, self.now, "connection_lost" if lost else "left"))

    @rule(who=st.sampled_from(_PEOPLE), admin=st.booleans())
    def end(self, who: str, admin: bool) -> None:
        if self._try(lambda talk: rules.end(talk, who, self.now, is_admin=admin)) is None:
            assert self.talk.call.over

    @rule(who=st.sampled_from(_PEOPLE))
    def put_out(self, who: str) -> None:
        self._try(lambda talk: rules.withdraw(talk, who, self.now))
        person = self.talk.people.get(who)
        assert person is None or not person.taking_part or self.talk.call.over

    @rule(who=st.sampled_from(_PEOPLE), muted=st.booleans())
    def show(self, who: str, muted: bool) -> None:
        self._try(lambda talk: rules.show(talk, who, audio_muted=muted))

    @rule(seconds=st.integers(0, 60))
    def wait(self, seconds: int) -> None:
        self.now += seconds * 1000
        self._try(lambda talk: rules.ring_out(talk, self.now))

    @precondition(lambda self: self.talk.call.over)
    @rule()
    def what_is_over_stays(self) -> None:
        over = self.talk
        for after in (
            rules.ring_out(over, self.now + 10**9),
            rules.finish(over, "failed", "sfu_failed", self.now),
            rules.leave(over, "a", self.now, "connection_lost"),
            rules.withdraw(over, "b", self.now),
        ):
            assert after == over

    @invariant()
    def never_more_than_fit(self) -> None:
        assert len(self.talk.inside) <= self.talk.call.max_participants  # I9

    @invariant()
    def states_agree(self) -> None:
        call, people = self.talk.call, self.talk.people.values()
        if call.over:
            assert not self.talk.inside
            assert not any(person.called for person in people)
            assert call.ended_at is not None
            assert call.end_reason is not None
            assert (call.duration > 0) <= (call.started_at is not None)
            return
        assert call.ended_at is None
        assert self.talk.inside
        if call.status == "ringing":
            assert [person.user_id for person in self.talk.inside] == ["a"]
            assert any(person.called for person in people)
            assert call.started_at is None
        else:
            assert call.started_at is not None
            assert call.conversation_type == "group" or {"a", "b"} <= {p.user_id for p in self.talk.inside}
        assert not any(person.withdrawn and person.taking_part for person in people)
        assert all(person.state == "reconnecting" for person in people if person.lost_at is not None)


Life.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestLife = Life.TestCase
