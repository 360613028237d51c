"""Own bots (HTTP reference §15)."""

from collections.abc import Sequence

from secureconnect.client.api.request import UNSET, Nothing, Unset, given, path
from secureconnect.client.http import Http, Json, part
from secureconnect.client.models.base import Page
from secureconnect.client.models.bots import Bot, NewBot

__all__ = ["BotsApi"]


class BotsApi:
    """`client.bots`. What a bot does itself goes through a client with its token."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def create(self, username: str, display_name: str, scopes: Sequence[str]) -> NewBot:
        """A new bot, whose username ends in `_bot`. Keep the token: nobody can show it again.

        Raises:
            Conflict: the name is taken, or there are too many bots.
        """
        body = {"username": username, "display_name": display_name, "scopes": list(scopes)}
        return await self._http.call("POST", "/v1/bots", NewBot, json=body)

    async def list(self, *, cursor: str | None = None, limit: int | None = None) -> Page[Bot]:
        """The caller's bots, newest first."""
        return await self._http.page("/v1/bots", "bots", Bot, cursor=cursor, limit=limit)

    async def get(self, user_id: str) -> Bot:
        """One of them."""
        return await self._http.call("GET", path("/v1/bots/{}", user_id), Bot)

    async def update(
        self, user_id: str, *, display_name: str | Unset = UNSET, scopes: Sequence[str] | Unset = UNSET
    ) -> Bot:
        """Change the name or what the token allows; the bot's sockets reconnect with its new rights."""
        body = given(display_name=display_name, scopes=scopes)
        return await self._http.call("PATCH", path("/v1/bots/{}", user_id), Bot, json=body)

    async def rotate_token(self, user_id: str) -> str:
        """A new token; the old one stops at once."""
        data = await self._http.call("POST", path("/v1/bots/{}/token", user_id), Json, json={})
        return part(data, "token", str)

    async def delete(self, user_id: str) -> None:
        """End a bot; what it wrote stays."""
        await self._http.call("DELETE", path("/v1/bots/{}", user_id), Nothing)
