"""Polls against a plain model: random votes, one answer (hypothesis), and what time does."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from secureconnect.features.polls.service import CloseService, CreatePoll, CreateService, VoteService
from secureconnect.features.polls.service.cards import Cards
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.objects import Poll
from tests.unit.conversations.world import World, caller, refusal, world

T = TypeVar("T")

_DAY = 24 * 3600 * 1000


class NoMetrics:
    """Counts nothing."""

    def poll_created(self, poll_type: str) -> None:
        """Nobody counts."""

    def poll_voted(self) -> None:
        """Nobody counts."""


class Booth:
    """The use cases of polls over the real store."""

    def __init__(self, place: World) -> None:
        self.cards = Cards(place.database, place.users)
        timeline, near, clock = place.timeline, place.neighbours, place.clock
        self.creating = CreateService(timeline, near, place.users, self.cards, clock, NoMetrics())
        self.voting = VoteService(place.database, timeline, near, self.cards, clock, NoMetrics())
        self.closing = CloseService(place.database, timeline, near, self.cards, clock)

    async def ask(self, user_id: str, g: str, **fields: Any) -> Poll:
        body: dict[str, Any] = {"poll_type": "single", "options": ["x", "y", "z"], **fields}
        request = CreatePoll(conversation_id=g, question="Where?", **body)
        return (await self.creating.create(caller(user_id).principal, request)).poll


async def _outcome(work: Awaitable[T]) -> tuple[T, None] | tuple[None, ErrorCode]:
    try:
        return await work, None
    except ApiError as error:
        return None, error.code


class Votes(RuleBasedStateMachine):
    """Three people vote on four polls: single and multiple, for good and changeable."""

    def __init__(self, runner: asyncio.Runner, place: World) -> None:
        super().__init__()
        self.run = runner.run
        self.place = place
        self.booth = Booth(place)
        self.people = self.run(place.people("a", "b", "c"))
        self.g = self.run(place.group(*self.people))
        kinds = [(kind, change) for kind in ("single", "multi") for change in (False, True)]
        self.polls = [
            self.run(self.booth.ask(self.people[0], self.g, poll_type=kind, allow_vote_change=change))
            for kind, change in kinds
        ]
        self.chosen: dict[tuple[int, int], frozenset[int]] = {}
        self.closed: set[int] = set()
        self.events = 0

    @rule(
        poll=st.integers(0, 3),
        person=st.integers(0, 2),
        wanted=st.frozensets(st.integers(0, 2), max_size=3),
    )
    def vote(self, poll: int, person: int, wanted: frozenset[int]) -> None:
        asked, old = self.polls[poll], self.chosen.get((poll, person), frozenset())
        user = caller(self.people[person]).principal
        options = [asked.options[place].option_id for place in sorted(wanted)]
        if wanted:
            work = self.booth.voting.vote(user, asked.poll_id, options)
        else:
            work = self.booth.voting.withdraw(user, asked.poll_id)
        voted, refused = self.run(_outcome(work))
        assert refused is self._refusal(asked, poll, old, wanted)
        if voted is None:
            return
        assert (voted.seq is None) == (old == wanted)
        self.events += voted.seq is not None
        self.chosen[poll, person] = wanted
        assert set(voted.poll.user_vote_options) == set(options)

    def _refusal(
        self, asked: Poll, poll: int, old: frozenset[int], wanted: frozenset[int]
    ) -> ErrorCode | None:
        if asked.poll_type == "single" and len(wanted) > 1:
            return ErrorCode.MULTIPLE_OPTIONS_NOT_ALLOWED
        if poll in self.closed:
            return ErrorCode.POLL_CLOSED
        if not (old or wanted):
            return ErrorCode.NOT_FOUND
        if old and old != wanted and not asked.allow_vote_change:
            return ErrorCode.ALREADY_VOTED
        return None

    @rule(poll=st.integers(0, 3), person=st.integers(0, 2))
    def close(self, poll: int, person: int) -> None:
        user = caller(self.people[person]).principal
        _, refused = self.run(_outcome(self.booth.closing.close(user, self.polls[poll].poll_id)))
        assert refused is (None if person == 0 else ErrorCode.FORBIDDEN)
        if refused is None:
            self.events += poll not in self.closed
            self.closed.add(poll)

    @invariant()
    def adds_up(self) -> None:
        cards = self.run(self.booth.cards.cards(None, [poll.poll_id for poll in self.polls]))
        for place, asked in enumerate(self.polls):
            votes = [wanted for (poll, _), wanted in self.chosen.items() if poll == place]
            expected = [sum(option in wanted for wanted in votes) for option in range(3)]
            card = cards[asked.poll_id]
            assert [option.vote_count for option in card.options] == expected
            assert (card.total_votes, card.total_voters) == (sum(expected), sum(map(bool, votes)))

    def teardown(self) -> None:
        """Whoever applies the events ends with the same counts."""
        log = self.run(self.place.log(self.g))
        told = [event for event in log if event.kind in {"poll_voted", "poll_closed"}]
        assert len(told) == self.events
        last = {msgspec.json.decode(event.data)["poll_id"]: msgspec.json.decode(event.data) for event in told}
        cards = self.run(self.booth.cards.cards(None, list(last)))
        for poll_id, data in last.items():
            assert data["total_votes"] == cards[poll_id].total_votes
            counts = {option.option_id: option.vote_count for option in cards[poll_id].options}
            assert {one["option_id"]: one["vote_count"] for one in data["options"]} == counts


def test_votes_follow_the_model(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        opened = world(tmp_path)
        place = runner.run(opened.__aenter__())
        try:
            run_state_machine_as_test(
                cast("type[Votes]", lambda: Votes(runner, place)),
                settings=settings(max_examples=25, stateful_step_count=25, deadline=None),
            )
        finally:
            runner.run(opened.__aexit__(None, None, None))


async def test_two_hundred_votes_at_once(tmp_path: Path) -> None:
    """Each of 200 people is counted once, and the events go up by one."""
    async with world(tmp_path) as place:
        booth = Booth(place)
        people = await place.people(*(f"p{number}" for number in range(200)))
        g = await place.group(people[0], *people[1:])
        poll = await booth.ask(people[0], g)
        await asyncio.gather(
            *(
                booth.voting.vote(
                    caller(user_id).principal, poll.poll_id, [poll.options[place_ % 3].option_id]
                )
                for place_, user_id in enumerate(people)
            )
        )
        card = (await booth.cards.cards(None, [poll.poll_id]))[poll.poll_id]
        assert [option.vote_count for option in card.options] == [67, 67, 66]
        told = [msgspec.json.decode(event.data) for event in await place.log(g) if event.kind == "poll_voted"]
        assert [data["total_voters"] for data in told] == list(range(1, 201))


async def test_time_closes_a_poll_once(tmp_path: Path) -> None:
    """Votes end at the second, the event follows; also for a poll whose group is gone."""
    async with world(tmp_path) as place:
        booth = Booth(place)
        a, b = await place.people("a", "b")
        g, gone = await place.group(a, b), await place.group(a, b)
        until = place.clock.at + _DAY
        poll = await booth.ask(a, g, expires_at=until)
        lost = await booth.ask(a, gone, expires_at=until)
        assert await booth.closing.close_expired() == 0
        place.clock.at = until
        late = booth.voting.vote(caller(b).principal, poll.poll_id, [poll.options[0].option_id])
        assert await refusal(late) == "POLL_EXPIRED"
        assert await booth.closing.close_expired() == 2
        assert await booth.closing.close_expired() == 0
        assert (await place.kinds(g))[-1] == "poll_closed"
        assert (await booth.cards.cards(None, [lost.poll_id]))[lost.poll_id].close_reason == "expired"


async def test_who_voted_anonymously_is_forgotten_later(tmp_path: Path) -> None:
    """30 days after the end only the counts are left."""
    async with world(tmp_path) as place:
        booth = Booth(place)
        a, b = await place.people("a", "b")
        g = await place.group(a, b)
        poll = await booth.ask(a, g, anonymous=True)
        await booth.voting.vote(caller(b).principal, poll.poll_id, [poll.options[0].option_id])
        await booth.closing.close(caller(a).principal, poll.poll_id)
        assert await booth.closing.forget_anonymous_votes() == 0
        place.clock.at += 31 * _DAY
        assert await booth.closing.forget_anonymous_votes() == 1
        card = (await booth.cards.cards(b, [poll.poll_id]))[poll.poll_id]
        assert (card.total_votes, card.user_vote_options) == (1, [])
