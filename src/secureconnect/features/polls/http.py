"""Routes of polls (docs/reference/http.md, polls)."""

from typing import Annotated

from msgspec import Meta, Struct

from secureconnect.edge.http.routing import Call, Done, Reply, Route, done
from secureconnect.edge.validation import Opaque, Uuid
from secureconnect.features.messages.api import Messages
from secureconnect.features.polls.rules import MAX_OPTIONS
from secureconnect.features.polls.service import (
    CloseService,
    CreatePoll,
    CreateService,
    PollReadService,
    PollsPage,
    VotersPage,
    VoteService,
)
from secureconnect.kit.errors import ErrorCode
from secureconnect.kit.objects import Poll

__all__ = ["Choice", "routes"]

_Cursor = Annotated[Opaque, Meta(min_length=1, max_length=512)]


class Choice(Struct):
    """A vote: these options, different ones, and no others."""

    poll_id: Uuid
    option_ids: Annotated[list[Uuid], Meta(min_length=1, max_length=MAX_OPTIONS)]


class WhichPoll(Struct):
    """One poll."""

    poll_id: Uuid


class PollsQuery(Struct):
    """A page of a conversation's polls."""

    conversation_id: Uuid
    cursor: _Cursor | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class VotersQuery(Struct):
    """A page of those who chose an option."""

    option_id: Uuid
    cursor: _Cursor | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


def routes(
    creating: CreateService,
    voting: VoteService,
    closing: CloseService,
    reading: PollReadService,
    messages: Messages,
) -> list[Route]:
    """Polls."""

    async def create(call: Call[CreatePoll, None]) -> Reply:
        created = await creating.create(call.caller, call.body)
        return Reply(created.poll, 200 if created.duplicate else 201)

    async def poll(call: Call[None, None]) -> Reply:
        return Reply(await reading.poll(call.caller, call.path["id"]))

    async def polls(call: Call[None, PollsQuery]) -> Reply:
        query = call.query
        page = await reading.polls(
            call.caller, query.conversation_id, active=False, cursor=query.cursor, limit=query.limit
        )
        return Reply(page)

    async def active(call: Call[None, PollsQuery]) -> Reply:
        query = call.query
        page = await reading.polls(
            call.caller, query.conversation_id, active=True, cursor=query.cursor, limit=query.limit
        )
        return Reply(page)

    async def vote(call: Call[Choice, None]) -> Reply:
        voted = await voting.vote(call.caller, call.body.poll_id, call.body.option_ids)
        return Reply(voted.poll)

    async def withdraw(call: Call[None, None]) -> Reply:
        return Reply((await voting.withdraw(call.caller, call.path["id"])).poll)

    async def voters(call: Call[None, VotersQuery]) -> Reply:
        query = call.query
        page = await reading.voters(
            call.caller, call.path["id"], query.option_id, cursor=query.cursor, limit=query.limit
        )
        return Reply(page)

    async def close(call: Call[WhichPoll, None]) -> Reply:
        return Reply(await closing.close(call.caller, call.body.poll_id))

    async def delete(call: Call[None, None]) -> Reply:
        await reading.poll(call.caller, call.path["id"])
        await messages.delete(call.caller, call.path["id"], call.context)
        return done("The poll was deleted.")

    members_only = (ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN, ErrorCode.TIMELINE_UNAVAILABLE)
    ended = (ErrorCode.POLL_CLOSED, ErrorCode.POLL_EXPIRED, ErrorCode.ALREADY_VOTED)
    return [
        Route(
            method="POST",
            path="/v1/polls",
            handler=create,
            summary="Ask a poll; a repeat of its client_message_id gives the first result",
            tag="polls",
            row="polls",
            scope="polls:write",
            body=CreatePoll,
            returns={201: Poll, 200: Poll},
            errors=(*members_only, ErrorCode.E2EE_REQUIRED, ErrorCode.CONFLICT),
            replayable=False,
        ),
        Route(
            method="GET",
            path="/v1/polls",
            handler=polls,
            summary="Polls of a conversation, newest first",
            tag="polls",
            row="polls",
            query=PollsQuery,
            returns={200: PollsPage},
            errors=members_only,
        ),
        Route(
            method="GET",
            path="/v1/polls/active",
            handler=active,
            summary="Polls of a conversation that take votes, newest first",
            tag="polls",
            row="polls",
            query=PollsQuery,
            returns={200: PollsPage},
            errors=members_only,
        ),
        Route(
            method="POST",
            path="/v1/polls/vote",
            handler=vote,
            summary="Vote; replaces an earlier choice as a whole",
            tag="polls",
            row="poll_vote",
            scope="polls:write",
            body=Choice,
            returns={200: Poll},
            errors=(*members_only, ErrorCode.MULTIPLE_OPTIONS_NOT_ALLOWED, *ended),
        ),
        Route(
            method="POST",
            path="/v1/polls/close",
            handler=close,
            summary="Close a poll; a closed one stays as it is",
            tag="polls",
            row="polls",
            body=WhichPoll,
            returns={200: Poll},
            errors=members_only,
        ),
        Route(
            method="GET",
            path="/v1/polls/{id}",
            handler=poll,
            summary="One poll",
            tag="polls",
            row="polls",
            returns={200: Poll},
            errors=members_only,
        ),
        Route(
            method="DELETE",
            path="/v1/polls/{id}",
            handler=delete,
            summary="Delete a poll; its message stays as a deleted one",
            tag="polls",
            row="polls",
            returns={200: Done},
            errors=members_only,
        ),
        Route(
            method="DELETE",
            path="/v1/polls/{id}/vote",
            handler=withdraw,
            summary="Withdraw the caller's vote",
            tag="polls",
            row="polls",
            returns={200: Poll},
            errors=(*members_only, *ended),
        ),
        Route(
            method="GET",
            path="/v1/polls/{id}/voters",
            handler=voters,
            summary="Who chose an option, earliest first",
            tag="polls",
            row="polls",
            query=VotersQuery,
            returns={200: VotersPage},
            errors=members_only,
        ),
    ]
