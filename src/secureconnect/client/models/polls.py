"""Polls."""

from secureconnect.client.models.base import Model, Moment
from secureconnect.client.models.people import PublicUser

__all__ = ["Poll", "PollOption", "Voter"]


class PollOption(Model, frozen=True, kw_only=True):
    """One answer; `vote_percent` is its share of all votes."""

    option_id: str
    option_text: str
    display_order: int
    vote_count: int
    vote_percent: float


class Poll(Model, frozen=True, kw_only=True):
    """A poll as the caller sees it; its id is that of its message."""

    poll_id: str
    conversation_id: str
    creator_id: str
    creator_name: str
    question: str
    poll_type: str
    allow_vote_change: bool
    anonymous: bool
    is_encrypted: bool = False
    expires_at: Moment | None = None
    is_closed: bool
    closed_at: Moment | None = None
    close_reason: str | None = None
    options: list[PollOption]
    total_votes: int
    total_voters: int
    user_voted: bool
    user_vote_options: list[str]
    seq: int
    created_at: Moment
    updated_at: Moment


class Voter(Model, frozen=True, kw_only=True):
    """Who chose an option, and when."""

    user: PublicUser
    voted_at: Moment
