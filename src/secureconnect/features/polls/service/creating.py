"""Asking: a poll, its message and its event in one transaction."""

from typing import Annotated, Literal, NamedTuple, Protocol

import msgspec
from msgspec import Meta, Struct

from secureconnect.edge.validation import Opaque, Timestamp, Uuid
from secureconnect.features.conversations.api import Conversations, Facts
from secureconnect.features.messages.api import refusal
from secureconnect.features.polls import store
from secureconnect.features.polls.rules import MAX_OPTIONS, OPAQUE_TEXT, PollRecord, Texts, clean_texts
from secureconnect.features.polls.service.cards import Cards, render_poll
from secureconnect.features.polls.store import OptionRecord
from secureconnect.features.users.api import Users
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline.base import AlreadySent, GuardChanged, NewEvent, NewMessage, Timeline
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.events import PollCreated, encode_data
from secureconnect.kit.ids import new_id, new_time_id
from secureconnect.kit.objects import Poll
from secureconnect.kit.principal import Principal

__all__ = ["CreatePoll", "CreateService", "Created", "PollMetrics"]

# No log is ever at this guard: such an append finds an earlier result or nothing.
_NO_GUARD = -1
# What a repeat may meet although the first request was fine.
_REFUSED = frozenset({400, 403, 404, 409})

_Text = Annotated[Opaque, Meta(min_length=1, max_length=OPAQUE_TEXT)]


class CreatePoll(Struct):
    """A poll to be asked. Texts are at most 500 and 200 characters long, encrypted ones 4,096."""

    conversation_id: Uuid
    question: _Text
    poll_type: Literal["single", "multi"]
    options: Annotated[list[_Text], Meta(min_length=2, max_length=MAX_OPTIONS)]
    allow_vote_change: bool = False
    anonymous: bool = False
    expires_at: Timestamp | None = None
    is_encrypted: bool = False
    client_message_id: (
        Annotated[Opaque, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$(?!\n)")] | None
    ) = None


class Created(NamedTuple):
    """What asking led to; `duplicate` when an earlier request with the same client_message_id did."""

    poll: Poll
    duplicate: bool


class PollMetrics(Protocol):
    """Counts polls and votes."""

    def poll_created(self, poll_type: str) -> None:
        """One poll was asked."""

    def poll_voted(self) -> None:
        """One vote was given, changed or withdrawn."""


class CreateService:
    """Puts polls into conversations."""

    def __init__(
        self,
        timeline: Timeline,
        conversations: Conversations,
        users: Users,
        cards: Cards,
        clock: Clock,
        metrics: PollMetrics,
    ) -> None:
        self._timeline = timeline
        self._conversations = conversations
        self._users = users
        self._cards = cards
        self._clock = clock
        self._metrics = metrics

    async def create(self, caller: Principal, request: CreatePoll) -> Created:
        """Ask a question; returns once it is committed durably.

        What was accepted once stays accepted: a member's repeat is answered with the first result although it
        would be refused now (docs/reference/realtime.md §7, G10).

        Raises:
            ApiError: `VALIDATION_ERROR`, `NOT_FOUND`, `FORBIDDEN`, `E2EE_REQUIRED`, `TIMELINE_UNAVAILABLE`.
        """
        try:
            poll = await self._ask(caller.user_id, request)
        except (AlreadySent, ApiError) as error:
            if request.client_message_id is None or (
                isinstance(error, ApiError) and error.code.status not in _REFUSED
            ):
                raise
            first = await self._first(caller.user_id, request, request.client_message_id)
            if first is None:
                raise
            return Created(first, duplicate=True)
        self._metrics.poll_created(request.poll_type)
        return Created(poll, duplicate=False)

    async def _ask(self, user_id: str, request: CreatePoll) -> Poll:
        now = self._clock.now()
        texts = clean_texts(
            request.question,
            request.options,
            is_encrypted=request.is_encrypted,
            expires_at=request.expires_at,
            now=now,
        )
        creator = await self._users.get(user_id)
        name = creator.display_name if creator is not None else ""
        poll_id = new_time_id()
        options = [
            OptionRecord(new_id(), poll_id, option, place, 0) for place, option in enumerate(texts.options)
        ]

        def ask(tx: WriteTx, facts: Facts) -> Poll:
            refused = refusal(facts, user_id, is_encrypted=request.is_encrypted)
            if refused is not None:
                raise refused
            ttl = facts.settings.message_ttl_seconds
            asked = _record(poll_id, user_id, request, texts, now)

            def placed(seq: int) -> Poll:
                return render_poll(msgspec.structs.replace(asked, seq=seq), options, (), name)

            event = NewEvent(
                request.conversation_id,
                poll_id,
                "poll_created",
                user_id,
                now,
                lambda seq: encode_data(PollCreated(poll=placed(seq))),
                NewMessage(
                    user_id,
                    request.client_message_id,
                    texts.question,
                    request.is_encrypted,
                    "poll",
                    {},
                    expires_at=now + ttl * 1000 if ttl else None,
                ),
            )
            also = self._conversations.sent(request.conversation_id, user_id, now, wake=facts.wake)
            seq = self._timeline.append_in(tx, event, also=also)
            store.add_poll(tx, msgspec.structs.replace(asked, seq=seq), options, texts.keys)
            return placed(seq)

        return await self._conversations.act(request.conversation_id, user_id, ask)

    async def _first(self, user_id: str, request: CreatePoll, key: str) -> Poll | None:
        """The poll that an earlier request with this client_message_id made, for a member."""
        await self._conversations.member(request.conversation_id, user_id)
        repeat = NewMessage(user_id, key, "", request.is_encrypted, "poll", {})
        try:
            found = await self._timeline.append(
                NewEvent(
                    request.conversation_id,
                    new_time_id(),
                    "poll_created",
                    user_id,
                    self._clock.now(),
                    b"",
                    repeat,
                ),
                guard=_NO_GUARD,
            )
        except GuardChanged:
            return None
        poll_id = found.event.event_id
        poll = (await self._cards.cards(user_id, [poll_id])).get(poll_id)
        if poll is None:
            raise ApiError(
                ErrorCode.CONFLICT, "This client_message_id was used for something else, or its poll is gone."
            )
        return poll


def _record(poll_id: str, creator_id: str, request: CreatePoll, texts: Texts, now: int) -> PollRecord:
    return PollRecord(
        poll_id=poll_id,
        conversation_id=request.conversation_id,
        creator_id=creator_id,
        question=texts.question,
        poll_type=request.poll_type,
        allow_vote_change=request.allow_vote_change,
        anonymous=request.anonymous,
        is_encrypted=request.is_encrypted,
        expires_at=request.expires_at,
        closed_at=None,
        close_reason=None,
        total_votes=0,
        total_voters=0,
        seq=0,
        created_at=now,
        updated_at=now,
    )
