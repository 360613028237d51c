"""Polls by the SDK against a real server."""

from datetime import UTC, datetime, timedelta

import pytest

from secureconnect.client import Conflict, NotFound, walk
from tests.scenarios.sdk import me, person
from tests.scenarios.server import Server


async def test_every_call_of_polls(server: Server) -> None:
    async with person(server.url, "a") as ann, person(server.url, "b") as bob:
        a, b = await me(ann), await me(bob)
        g = (await ann.conversations.create_group("G", [b])).conversation_id
        until = datetime.now(UTC) + timedelta(hours=1)
        poll = await ann.polls.ask(g, "Where?", ["North", "South"], expires_at=until, allow_vote_change=True)
        north, south = (option.option_id for option in poll.options)
        assert (await bob.polls.vote(poll.poll_id, [north])).user_vote_options == [north]
        assert (await bob.polls.vote(poll.poll_id, [south])).options[1].vote_percent == 100
        voters = [each.user.user_id async for each in walk(ann.polls.voters, poll.poll_id, south)]
        assert voters == [b]
        assert (await bob.polls.withdraw(poll.poll_id)).total_voters == 0
        multi = await bob.polls.ask(g, "Which?", ["1", "2", "3"], multiple=True, anonymous=True)
        assert (multi.poll_type, multi.anonymous, multi.creator_id) == ("multi", True, b)
        assert (await ann.polls.close(multi.poll_id)).close_reason == "closed"
        with pytest.raises(Conflict):
            await ann.polls.vote(multi.poll_id, [multi.options[0].option_id])
        assert [each.poll_id for each in (await bob.polls.list(g)).items] == [multi.poll_id, poll.poll_id]
        assert [each.poll_id for each in (await bob.polls.list(g, active=True)).items] == [poll.poll_id]
        assert (await ann.messages.get(poll.poll_id)).sender_id == a
        await ann.polls.delete(poll.poll_id)
        with pytest.raises(NotFound):
            await ann.polls.get(poll.poll_id)
