"""Access tokens of the Firebase account (OAuth 2.0 JWT grant, RFC 7523)."""

import asyncio

import httpx
import jwt
import msgspec

from secureconnect.infra.push.base import PushDelayed
from secureconnect.infra.push.fcm_account import FcmAccount
from secureconnect.infra.push.pem import read_rsa
from secureconnect.infra.push.retry_after import retry_after
from secureconnect.kit.clock import Clock

__all__ = ["AccessTokens"]

_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFETIME = 3600
_EARLY = 60  # seconds before its end that a token is replaced


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: int


class AccessTokens:
    """The account's access token, asked for once and then kept until shortly before its end."""

    def __init__(self, account: FcmAccount, client: httpx.AsyncClient, clock: Clock) -> None:
        self._account = account
        self._key = read_rsa(account.private_key)
        self._client = client
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token = ""
        self._until = 0.0

    async def get(self) -> str:
        """A token that is good now.

        Raises:
            PushDelayed: the account's server gives none.
        """
        async with self._lock:  # of many who wait, one asks
            if self._clock.monotonic() >= self._until:
                granted = await self._ask()
                self._token = granted.access_token
                self._until = self._clock.monotonic() + granted.expires_in - _EARLY
            return self._token

    def refused(self, token: str) -> None:
        """This token was not taken; the next one is new."""
        if token == self._token:
            self._until = 0.0

    async def _ask(self) -> _Granted:
        account, now = self._account, self._clock.now() // 1000
        claims = {
            "iss": account.client_email,
            "scope": _SCOPE,
            "aud": account.token_uri,
            "iat": now,
            "exp": now + _LIFETIME,
        }
        assertion = jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": account.private_key_id})
        form = {"grant_type": _GRANT, "assertion": assertion}
        try:
            answer = await self._client.post(account.token_uri, data=form)
        except httpx.TransportError as error:
            raise PushDelayed(f"no access token: {type(error).__name__}", unreachable=True) from error
        if answer.status_code != 200:
            after = retry_after(answer.headers.get("retry-after"), self._clock.now())
            reason = f"no access token: the server answered {answer.status_code}"
            raise PushDelayed(reason, after, unreachable=True)
        try:
            return msgspec.json.decode(answer.content, type=_Granted)
        except msgspec.DecodeError as error:
            raise PushDelayed("no access token: not understood", unreachable=True) from error
