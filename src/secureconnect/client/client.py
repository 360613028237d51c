"""The door of the SDK."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx

from secureconnect.client.api.admin import AdminApi
from secureconnect.client.api.auth import AuthApi
from secureconnect.client.api.bots import BotsApi
from secureconnect.client.api.calls import CallsApi
from secureconnect.client.api.conversations import ConversationsApi
from secureconnect.client.api.factors import FactorsApi, PasskeysApi
from secureconnect.client.api.files import FilesApi
from secureconnect.client.api.friends import BlocksApi, FriendsApi
from secureconnect.client.api.invites import InvitesApi
from secureconnect.client.api.later import DraftsApi, ScheduledApi
from secureconnect.client.api.messages import MessagesApi
from secureconnect.client.api.polls import PollsApi
from secureconnect.client.api.presence import PresenceApi
from secureconnect.client.api.push import PushApi
from secureconnect.client.api.reports import ReportsApi
from secureconnect.client.api.threads import ThreadsApi
from secureconnect.client.api.tickets import TicketsApi
from secureconnect.client.api.users import UsersApi
from secureconnect.client.api.webhooks import WebhooksApi
from secureconnect.client.credentials import BotCredentials, Credentials, TokenListener
from secureconnect.client.cursors import CursorStore, MemoryCursors, Progress
from secureconnect.client.feed import Feed
from secureconnect.client.frames import OtherFrame
from secureconnect.client.history import HttpHistory
from secureconnect.client.http import Http
from secureconnect.client.inbox import Inbox
from secureconnect.client.link import ChatLink, Incoming
from secureconnect.client.models.people import Tokens
from secureconnect.client.realtime import Chat
from secureconnect.client.reconnector import ConnectionChanged, Reconnector
from secureconnect.client.retry import Backoff, RetryPolicy
from secureconnect.client.signaling import Signaling, SignalLink
from secureconnect.client.transfer import Transfer

__all__ = ["Client"]


class Client:
    """One user's session with one server.

        async with Client("https://chat.example.org") as client:
            await client.auth.login(username="ann", password=password)
            me = await client.users.me()

    Args:
        url: `http(s)://host[:port]`, without a path.
        tokens: of an earlier session, instead of a login.
        bot_token: `scb_…`, instead of any login: this client speaks for a bot.
        on_tokens: told about every change of the tokens (None: the session ended); store them durably here,
            since a refresh token works only once.
        retry: the pauses between repeats of one call.
        backoff: makes the delays between reconnects of a chat.
        transport: replaces the HTTP network, for tests.
        sleep: waits; for tests.
    """

    def __init__(
        self,
        url: str,
        *,
        tokens: Tokens | None = None,
        bot_token: str | None = None,
        on_tokens: TokenListener | None = None,
        retry: RetryPolicy | None = None,
        backoff: Callable[[], Backoff] = Backoff,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path not in {"", "/"}:
            raise ValueError(f"not a server address: {url!r} (expected http(s)://host[:port])")
        self._url = f"{parts.scheme}://{parts.netloc}"
        self._retry = retry or RetryPolicy()
        self._backoff = backoff
        self._sleep = sleep
        if bot_token is not None and (tokens is not None or not bot_token):
            raise ValueError("either the tokens of a session or the token of a bot")
        self._credentials = (
            BotCredentials(bot_token, exchange=self._exchange)
            if bot_token is not None
            else Credentials(tokens, exchange=self._exchange, on_change=on_tokens)
        )
        self._http = Http(
            self._url, tokens=self._credentials, retry=self._retry, transport=transport, sleep=sleep
        )
        self.auth = AuthApi(self._http, self._credentials)
        self.factors = FactorsApi(self._http)
        self.passkeys = PasskeysApi(self._http)
        self.users = UsersApi(self._http)
        self.friends = FriendsApi(self._http)
        self.blocks = BlocksApi(self._http)
        self.conversations = ConversationsApi(self._http)
        self.invites = InvitesApi(self._http)
        self.messages = MessagesApi(self._http)
        self.threads = ThreadsApi(self._http)
        self.scheduled = ScheduledApi(self._http)
        self.drafts = DraftsApi(self._http)
        self.polls = PollsApi(self._http)
        self.calls = CallsApi(self._http)
        self.presence = PresenceApi(self._http)
        self.push = PushApi(self._http)
        self.tickets = TicketsApi(self._http)
        self.bots = BotsApi(self._http)
        self.webhooks = WebhooksApi(self._http)
        self.reports = ReportsApi(self._http)
        self.admin = AdminApi(self._http)
        self._transfer = Transfer(transport)
        self.files = FilesApi(self._http, self._transfer, self._retry, sleep)

    @property
    def tokens(self) -> Tokens | None:
        """The current tokens, None without a login."""
        return self._credentials.tokens

    def chat(self, *, cursors: CursorStore | None = None, conversation_id: str | None = None) -> Chat:
        """The realtime side of this session, to be used with `async with`.

        The first time it starts with what is new from then on. With a durable store it goes on where the last
        run ended. So start the chat first, then read the state that you want to keep up to date.

        Args:
            cursors: where the last seqs are kept; in memory by default.
            conversation_id: receive this conversation only.
        """
        history = HttpHistory(self.messages, self.conversations, only=conversation_id)
        inbox = Inbox[Incoming]()
        feed = Feed(inbox, history, backoff=self._backoff, sleep=self._sleep)
        progress = Progress(cursors or MemoryCursors(), sleep=self._sleep)
        link = ChatLink(
            "ws" + self._url.removeprefix("http"),
            credentials=self._credentials,
            history=history,
            inbox=inbox,
            feed=feed,
            progress=progress,
            only=conversation_id,
        )

        def reconnector(changed: Callable[[ConnectionChanged], None]) -> Reconnector:
            return Reconnector(
                link,
                credentials=self._credentials,
                backoff=self._backoff(),
                changed=changed,
                sleep=self._sleep,
            )

        return Chat(
            link=link,
            inbox=inbox,
            feed=feed,
            progress=progress,
            reconnector=reconnector,
            retry=self._retry,
            sleep=self._sleep,
        )

    def signaling(self, call_id: str) -> Signaling:
        """The signaling socket of a call that this user is invited to, to be used with `async with`."""
        inbox = Inbox[OtherFrame | ConnectionChanged]()
        link = SignalLink(
            "ws" + self._url.removeprefix("http"), call_id, credentials=self._credentials, sink=inbox.put
        )

        def reconnector(changed: Callable[[ConnectionChanged], None]) -> Reconnector:
            return Reconnector(
                link,
                credentials=self._credentials,
                backoff=self._backoff(),
                changed=changed,
                sleep=self._sleep,
            )

        return Signaling(link, inbox, reconnector)

    async def aclose(self) -> None:
        """Close the HTTP connections. Close chats and calls before."""
        await self._credentials.aclose()
        await self._transfer.aclose()
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _exchange(self, refresh_token: str) -> Tokens:
        body = {"refresh_token": refresh_token}
        return await self._http.call("POST", "/v1/auth/refresh", Tokens, json=body, login=False)
