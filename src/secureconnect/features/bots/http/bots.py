"""Own bots."""

from typing import Annotated

from msgspec import Meta, Struct

from secureconnect.edge.http.paging import Cursor, Limit, Listed, Paging
from secureconnect.edge.http.routing import Call, Done, Reply, Route, done
from secureconnect.features.bots.rules import Scope
from secureconnect.features.bots.service import BotService, SeenBot
from secureconnect.features.users.api import DisplayName, Username
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.errors import ErrorCode
from secureconnect.kit.objects import Id, Time

__all__ = ["routes"]

_LIST = "bots"
_Scopes = Annotated[list[Scope], Meta(min_length=1, max_length=12)]


class BotQuery(Struct):
    cursor: Cursor | None = None
    limit: Limit = 50


class CreateBot(Struct):
    """A new bot. The username must end in `_bot`."""

    username: Username
    display_name: DisplayName
    scopes: _Scopes


class ChangeBot(Struct):
    """What to change."""

    display_name: DisplayName | None = None
    scopes: _Scopes | None = None


class Bot(Struct, frozen=True, kw_only=True):
    """A bot as its owner sees it."""

    user_id: Id
    username: str
    display_name: str
    owner_id: Id
    scopes: list[str]
    created_at: Time
    last_used_at: Time | None


class NewBot(Struct, frozen=True):
    """A bot and its token, which is shown this once."""

    bot: Bot
    token: str


class BotToken(Struct, frozen=True):
    """A new token, which is shown this once."""

    token: str


class BotPage(Listed, frozen=True, kw_only=True):
    """Own bots, newest first."""

    bots: list[Bot]


def routes(service: BotService, paging: Paging) -> list[Route]:
    """Bots of the caller."""

    async def create(call: Call[CreateBot, None]) -> Reply:
        body = call.body
        seen, token = await service.create(
            call.caller,
            call.context,
            username=body.username,
            display_name=body.display_name,
            scopes=body.scopes,
        )
        return Reply(NewBot(_render(seen), token), 201)

    async def listed(call: Call[None, BotQuery]) -> Reply:
        after = paging.after(call, _LIST)
        page = await service.page(
            call.caller.user_id, after=(after[0], after[1]) if after else None, limit=call.query.limit
        )
        return Reply(BotPage(bots=[_render(seen) for seen in page.items], **paging.end(call, page, _LIST)))

    async def one(call: Call[None, None]) -> Reply:
        return Reply(_render(await service.get(call.caller.user_id, call.path["user_id"])))

    async def change(call: Call[ChangeBot, None]) -> Reply:
        seen = await service.update(
            call.caller,
            call.context,
            call.path["user_id"],
            display_name=call.body.display_name,
            scopes=call.body.scopes,
        )
        return Reply(_render(seen))

    async def delete(call: Call[None, None]) -> Reply:
        await service.delete(call.caller, call.context, call.path["user_id"])
        return done("The bot acts no more.")

    async def rotate(call: Call[None, None]) -> Reply:
        return Reply(BotToken(await service.rotate(call.caller, call.context, call.path["user_id"])))

    return [
        Route(
            method="POST",
            path="/v1/bots",
            handler=create,
            summary="Make a bot; its token is shown once",
            tag="bots",
            row="bots",
            body=CreateBot,
            returns={201: NewBot},
            errors=(ErrorCode.FEATURE_DISABLED, ErrorCode.CONFLICT, ErrorCode.LIMIT_REACHED),
            replayable=False,
        ),
        Route(
            method="GET",
            path="/v1/bots",
            handler=listed,
            summary="Own bots",
            tag="bots",
            row="bots",
            query=BotQuery,
            returns={200: BotPage},
        ),
        Route(
            method="GET",
            path="/v1/bots/{user_id}",
            handler=one,
            summary="One own bot",
            tag="bots",
            row="bots",
            returns={200: Bot},
        ),
        Route(
            method="PATCH",
            path="/v1/bots/{user_id}",
            handler=change,
            summary="Change a bot's name or scopes",
            tag="bots",
            row="bots",
            body=ChangeBot,
            returns={200: Bot},
        ),
        Route(
            method="DELETE",
            path="/v1/bots/{user_id}",
            handler=delete,
            summary="Delete a bot; what it wrote stays",
            tag="bots",
            row="bots",
            returns={200: Done},
        ),
        Route(
            method="POST",
            path="/v1/bots/{user_id}/token",
            handler=rotate,
            summary="A new token for a bot; the old one stops at once",
            tag="bots",
            row="bots",
            returns={200: BotToken},
            replayable=False,
        ),
    ]


def _render(seen: SeenBot) -> Bot:
    bot, token = seen.user, seen.token
    return Bot(
        user_id=bot.user_id,
        username=bot.username,
        display_name=bot.display_name,
        owner_id=bot.owner_id,
        scopes=list(token.scopes),
        created_at=rfc3339(bot.created_at),
        last_used_at=rfc3339(token.last_used_at) if token.last_used_at is not None else None,
    )
