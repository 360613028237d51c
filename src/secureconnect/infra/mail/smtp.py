"""Mail to an SMTP server (RFC 5321), one connection per mail."""

import contextlib
import ssl
import time
from collections.abc import AsyncIterator
from typing import Literal

import aiosmtplib
from msgspec import Struct

from secureconnect.infra.mail.base import Mail, MailDelayed, MailRefused
from secureconnect.infra.mail.mime import envelope_sender, mime_bytes

__all__ = ["SmtpMail", "SmtpServer"]

_TIMEOUT = 25.0  # for each step; the whole attempt has 30 s
# "Authentication required", "too weak", "credentials invalid", "encryption required": about us, not the mail.
_ABOUT_US = frozenset({530, 534, 535, 538})


class SmtpServer(Struct, frozen=True):
    """Where the server is. `username` empty means no login."""

    host: str
    port: int
    username: str
    password: str
    tls: Literal["starttls", "tls", "none"]

    def __repr__(self) -> str:
        return f"SmtpServer({self.host!r}, {self.port})"


class SmtpMail:
    """Hands mails to one server. Certificates are checked against the system's authorities.

    A lasting refusal (5xx) of the recipient, the sender or the content is `MailRefused`; everything else,
    a wrong password or a missing STARTTLS included, is `MailDelayed`: the operator can mend it.

    Args:
        sender, host: see `mime_bytes`; `host` also is our name in EHLO.
    """

    def __init__(self, server: SmtpServer, *, sender: str, host: str) -> None:
        self._server = server
        self._sender = sender
        self._host = host
        self._tls = ssl.create_default_context()

    async def send(self, mail: Mail) -> None:
        content = mime_bytes(mail, sender=self._sender, host=self._host)
        async with self._connected() as client:
            await self._hand_over(client, mail, content)

    async def forget(self, _: str, /) -> int:
        return 0

    async def ping(self) -> float | None:
        started = time.perf_counter()
        async with self._connected():
            return time.perf_counter() - started

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[aiosmtplib.SMTP]:
        client = aiosmtplib.SMTP(
            hostname=self._server.host,
            port=self._server.port,
            username=self._server.username or None,
            password=self._server.password or None,
            local_hostname=self._host,
            timeout=_TIMEOUT,
            use_tls=self._server.tls == "tls",
            start_tls=self._server.tls == "starttls",
            tls_context=self._tls if self._server.tls != "none" else None,
        )
        try:
            await self._connect(client)
            yield client
            # What was wanted is done: a server that is rude at the end does not change that.
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await client.quit()
        finally:
            client.close()

    async def _connect(self, client: aiosmtplib.SMTP) -> None:
        try:
            await client.connect()
        except aiosmtplib.SMTPResponseException as error:
            raise MailDelayed(f"the server answered {error.code}", unreachable=True) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise MailDelayed(type(error).__name__, unreachable=True) from error

    async def _hand_over(self, client: aiosmtplib.SMTP, mail: Mail, content: bytes) -> None:
        try:
            await client.sendmail(envelope_sender(self._sender), [mail.to], content)
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _refusal(error.recipients[0].code) from error
        except aiosmtplib.SMTPResponseException as error:
            raise _refusal(error.code) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise MailDelayed(type(error).__name__, unreachable=True) from error


def _refusal(code: int) -> MailRefused | MailDelayed:
    if code in _ABOUT_US or code == 421:
        return MailDelayed(f"the server answered {code}", unreachable=True)
    if code >= 500:
        return MailRefused(f"the server answered {code}")
    return MailDelayed(f"the server answered {code}", unreachable=False)
