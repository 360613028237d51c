"""The use cases: creating, voting, closing, reading."""

from secureconnect.features.polls.service.cards import Cards
from secureconnect.features.polls.service.closing import CloseService
from secureconnect.features.polls.service.creating import Created, CreatePoll, CreateService
from secureconnect.features.polls.service.reading import PollReadService, PollsPage, Voter, VotersPage
from secureconnect.features.polls.service.voting import Voted, VoteService

__all__ = [
    "Cards",
    "CloseService",
    "CreatePoll",
    "CreateService",
    "Created",
    "PollReadService",
    "PollsPage",
    "VoteService",
    "Voted",
    "Voter",
    "VotersPage",
]
