"""Polls as members see them."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection

from secureconnect.features.polls import store
from secureconnect.features.polls.rules import PollRecord, percent
from secureconnect.features.polls.store import OptionRecord
from secureconnect.features.users.api import Users
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.timeline.base import Trimmed
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.events import OptionTally
from secureconnect.kit.objects import Poll, PollOption

__all__ = ["Cards", "Parts", "read_parts", "render_poll", "tally"]

#: A poll, its options, and what the viewer chose.
Parts = tuple[PollRecord, list[OptionRecord], set[str]]


class Cards:
    """Implements `messages.api.PollCards` and `conversations.api.Purged`."""

    def __init__(self, database: Database, users: Users) -> None:
        self._database = database
        self._users = users

    async def cards(self, viewer_id: str | None, poll_ids: Collection[str]) -> Mapping[str, Poll]:
        if not poll_ids:
            return {}
        found = await self._database.lookup(
            lambda conn: read_parts(conn, viewer_id, store.find_many(conn, poll_ids))
        )
        return {poll.poll_id: poll for poll in await self.shown(found)}

    def delete_in(self, tx: WriteTx, poll_id: str) -> None:
        store.delete_polls(tx, [poll_id])

    def purged_in(self, tx: WriteTx, trimmed: Trimmed) -> None:
        """See `conversations.api.Purged`."""
        store.delete_polls(tx, trimmed.message_ids)

    async def shown(self, found: Sequence[Parts]) -> list[Poll]:
        """Polls with the names of their creators, in the same order."""
        creators = await self._users.many({poll.creator_id for poll, _, _ in found})
        return [
            render_poll(poll, options, chosen, _name(creators.get(poll.creator_id)))
            for poll, options, chosen in found
        ]


def _name(creator: object) -> str:
    gone = creator is None or getattr(creator, "state", None) == "erased"
    return "Deleted user" if gone else str(getattr(creator, "display_name", ""))


def read_parts(conn: Connection, viewer_id: str | None, polls: Sequence[PollRecord]) -> list[Parts]:
    """What belongs to each of `polls`, in the same order."""
    ids = [poll.poll_id for poll in polls]
    options = store.options_of(conn, ids)
    chosen = store.choices_of(conn, viewer_id, ids) if viewer_id is not None else {}
    return [(poll, options.get(poll.poll_id, []), chosen.get(poll.poll_id, set())) for poll in polls]


def tally(poll: PollRecord, options: Sequence[OptionRecord]) -> list[OptionTally]:
    """How each option stands."""
    return [
        OptionTally(option.option_id, option.vote_count, percent(option.vote_count, poll.total_votes))
        for option in options
    ]


def render_poll(
    poll: PollRecord, options: Sequence[OptionRecord], chosen: Collection[str], creator_name: str
) -> Poll:
    """A poll as the one who chose `chosen` sees it."""
    return Poll(
        poll_id=poll.poll_id,
        conversation_id=poll.conversation_id,
        creator_id=poll.creator_id,
        creator_name=creator_name,
        question=poll.question,
        poll_type=poll.poll_type,
        allow_vote_change=poll.allow_vote_change,
        anonymous=poll.anonymous,
        is_encrypted=poll.is_encrypted,
        expires_at=_time(poll.expires_at),
        is_closed=poll.closed_at is not None,
        closed_at=_time(poll.closed_at),
        close_reason=poll.close_reason,
        options=[
            PollOption(
                option_id=option.option_id,
                poll_id=option.poll_id,
                option_text=option.option_text,
                display_order=option.display_order,
                vote_count=option.vote_count,
                vote_percent=percent(option.vote_count, poll.total_votes),
                created_at=rfc3339(poll.created_at),
            )
            for option in options
        ],
        total_votes=poll.total_votes,
        total_voters=poll.total_voters,
        user_voted=bool(chosen),
        user_vote_options=[option.option_id for option in options if option.option_id in chosen],
        seq=poll.seq,
        created_at=rfc3339(poll.created_at),
        updated_at=rfc3339(poll.updated_at),
    )


def _time(at: int | None) -> str | None:
    return rfc3339(at) if at is not None else None
