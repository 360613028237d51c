"""Bounded requests to a provider: no redirects, no proxies, a small answer, in JSON."""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Mapping
from typing import Final, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from secureconnect.infra.openid.addresses import is_trusted_url
from secureconnect.infra.openid.base import ProviderAway, ProviderRefused

__all__ = ["Fetcher"]

T = TypeVar("T")

_LIMIT: Final = 256 * 1024
#: For a whole request, in seconds.
_TIMEOUT: Final = 5.0


class Fetcher:
    """Asks one provider. Certificates are checked against the system's authorities.

    Args:
        allow_http: whether addresses without TLS are asked, too.
        timeout: seconds for a whole request.
    """

    def __init__(self, *, allow_http: bool, timeout: float = _TIMEOUT) -> None:
        self._allow_http = allow_http
        self._timeout = timeout
        self._http: httpx.AsyncClient | None = None

    def require(self, url: str, what: str) -> str:
        """`url`, which the provider named as its `what`.

        Raises:
            ProviderRefused: nothing may be sent there.
        """
        if not is_trusted_url(url, allow_http=self._allow_http):
            raise ProviderRefused(f"{what} is not an https address")
        return url

    async def get(self, url: str, type_: type[T], *, bearer: str | None = None) -> T:
        """The answer to a GET as a `type_`.

        Raises:
            ProviderAway, ProviderRefused.
        """
        headers = {"authorization": f"Bearer {bearer}"} if bearer is not None else {}
        return await self._ask("GET", url, type_, headers, None)

    async def post(
        self, url: str, type_: type[T], form: Mapping[str, str], *, basic: tuple[str, str] | None
    ) -> T:
        """The answer to a form as a `type_`, with the client's credentials as HTTP basic ones if given.

        Raises:
            ProviderAway, ProviderRefused.
        """
        headers = {}
        if basic is not None:
            headers["authorization"] = f"Basic {b64encode(':'.join(basic).encode()).decode()}"
        return await self._ask("POST", url, type_, headers, form)

    async def _ask(
        self,
        method: str,
        url: str,
        type_: type[T],
        headers: Mapping[str, str],
        form: Mapping[str, str] | None,
    ) -> T:
        # A compressed answer could be small on the wire only.
        sent = {"accept": "application/json", "accept-encoding": "identity", **headers}
        place = urlsplit(url).path
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._client().stream(method, url, headers=sent, data=form) as answer,
            ):
                body = await _body(answer, place)
        except TimeoutError as error:
            raise ProviderAway(f"{place}: no answer in time") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ProviderAway(f"{place}: {type(error).__name__}") from error
        if answer.status_code >= 500 or answer.status_code == 429:
            raise ProviderAway(f"{place}: answered {answer.status_code}")
        if answer.status_code != 200:
            raise ProviderRefused(f"{place}: answered {answer.status_code}")
        try:
            return msgspec.json.decode(body, type=type_)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            # Not the message of the error: it may quote what was answered.
            raise ProviderRefused(f"{place}: not the JSON that was expected") from error

    def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            self._http = httpx.AsyncClient(
                verify=ssl.create_default_context(),
                timeout=self._timeout,
                trust_env=False,
                follow_redirects=False,
            )
        return self._http

    async def close(self) -> None:
        """Drop connections."""
        if self._http is not None:
            await self._http.aclose()


async def _body(answer: httpx.Response, place: str) -> bytes:
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise ProviderRefused(f"{place}: answered compressed")
    body = bytearray()
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) > _LIMIT:
            raise ProviderRefused(f"{place}: answered with more than {_LIMIT} bytes")
    return bytes(body)
