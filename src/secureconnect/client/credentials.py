"""The tokens of one session, and the one place where they are renewed."""

import asyncio
from collections.abc import Awaitable, Callable

from secureconnect.client.errors import NotLoggedIn, Unauthorized
from secureconnect.client.models.people import Tokens

__all__ = ["BotCredentials", "Credentials", "TokenListener"]

#: Told about every change, None when the session ended; the place to store tokens durably.
TokenListener = Callable[[Tokens | None], None]


class Credentials:
    """Holds the tokens and renews them one refresh at a time.

    A refresh token works once, and using it twice ends the session. So there is never more than one refresh
    under way; it is not cancelled when its callers are, and it is not repeated when its outcome is unknown.
    """

    def __init__(
        self,
        tokens: Tokens | None,
        *,
        exchange: Callable[[str], Awaitable[Tokens]],
        on_change: TokenListener | None = None,
    ) -> None:
        self._tokens = tokens
        self._exchange = exchange
        self._on_change = on_change
        self._refresh: asyncio.Task[str] | None = None

    @property
    def tokens(self) -> Tokens | None:
        """The current tokens."""
        return self._tokens

    @property
    def access_token(self) -> str:
        """The current access token.

        Raises:
            NotLoggedIn: there is none.
        """
        if self._tokens is None:
            raise NotLoggedIn("log in first")
        return self._tokens.access_token

    def keep(self, tokens: Tokens | None) -> None:
        """Replace the tokens; None forgets them."""
        self._tokens = tokens
        if self._on_change is not None:
            self._on_change(tokens)

    async def renew(self, stale: str) -> str:
        """An access token other than `stale`: the current one when it was renewed meanwhile, else a new one.

        Raises:
            Unauthorized: the refresh token is no good any more; the tokens are forgotten.
            ApiFailure, ConnectionLost: the server did not answer; the tokens are kept.
            NotLoggedIn: there are no tokens.
        """
        if self.access_token != stale:
            return self.access_token
        if self._refresh is None:
            self._refresh = asyncio.create_task(self._run(), name="token refresh")
            self._refresh.add_done_callback(self._finished)
        return await asyncio.shield(self._refresh)

    async def aclose(self) -> None:
        """Wait for a refresh under way, so that its new tokens are not lost."""
        if self._refresh is not None:
            await asyncio.wait([self._refresh])

    async def _run(self) -> str:
        before = self._tokens
        if before is None:
            raise NotLoggedIn("log in first")
        try:
            after = await self._exchange(before.refresh_token)
        except Unauthorized:
            if self._tokens is before:
                self.keep(None)
            raise
        if self._tokens is before:  # nobody logged out or in meanwhile
            self.keep(after)
        return after.access_token

    def _finished(self, task: asyncio.Task[str]) -> None:
        self._refresh = None
        if not task.cancelled():
            task.exception()  # waiters raise it; without waiters it must not be reported as forgotten


class BotCredentials(Credentials):
    """A bot's token. It does not expire and cannot be renewed; when it stops, its owner has a new one."""

    def __init__(self, token: str, *, exchange: Callable[[str], Awaitable[Tokens]]) -> None:
        super().__init__(None, exchange=exchange)
        self._token = token

    @property
    def access_token(self) -> str:
        """The token."""
        return self._token

    def keep(self, tokens: Tokens | None) -> None:
        """Bots do not log in.

        Raises:
            ValueError: always, with tokens.
        """
        if tokens is not None:
            raise ValueError("this client speaks for a bot; use another one to log in")

    async def renew(self, stale: str) -> str:  # noqa: ARG002 - what sessions need
        """There is nothing to renew.

        Raises:
            NotLoggedIn: always.
        """
        raise NotLoggedIn("a bot's token cannot be renewed")
