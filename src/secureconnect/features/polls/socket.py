"""Commands of the chat socket that concern polls (docs/reference/realtime.md §4)."""

from msgspec import Struct

from secureconnect.edge.realtime.session.commands import Command, CommandContext
from secureconnect.features.polls.http import Choice
from secureconnect.features.polls.service import VoteService
from secureconnect.kit.objects import Poll

__all__ = ["commands"]


class VoteAck(Struct, frozen=True):
    """The `ack` of `poll_vote`; `seq` is null when nothing changed."""

    poll: Poll
    seq: int | None


def commands(voting: VoteService) -> list[Command]:
    """Every command of this feature."""

    async def vote(context: CommandContext, body: Choice) -> VoteAck:
        voted = await voting.vote(context.principal, body.poll_id, body.option_ids)
        return VoteAck(voted.poll, voted.seq)

    return [Command("poll_vote", Choice, vote, rate_row="poll_vote", scope="polls:write", ack=VoteAck)]
