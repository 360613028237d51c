"""The Mail port: hands one mail to whoever delivers it (docs/reference/rules.md §11)."""

from typing import Protocol

from msgspec import Struct

__all__ = ["Mail", "MailDelayed", "MailRefused", "MailTransport"]


class Mail(Struct, frozen=True):
    """One mail to one address. `mail_id` stays the same however often it is handed over, and becomes the
    Message-ID, by which receivers know a repeat. `written_at` is in milliseconds since the epoch.
    """

    mail_id: str
    to: str
    subject: str
    text: str
    html: str
    written_at: int


class MailRefused(Exception):
    """This mail will never be taken: the server said so for good. `reason` holds no address."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class MailDelayed(Exception):
    """Not now. `unreachable` says that the server as a whole is not usable, be it away or refusing us.

    `reason` holds no address.
    """

    def __init__(self, reason: str, *, unreachable: bool) -> None:
        self.reason = reason
        self.unreachable = unreachable
        super().__init__(reason)


class MailTransport(Protocol):
    """Where mails go. At least once: an answer that was lost on the way leads to a second delivery of the
    same mail, which carries the same Message-ID.
    """

    async def send(self, mail: Mail) -> None:
        """Hand the mail over; returning means that it is taken for good.

        Raises:
            MailRefused, MailDelayed.
        """

    async def ping(self) -> float | None:
        """Seconds that the server took to greet us and take our login, None where there is no server.

        Raises:
            MailDelayed: it does not.
        """

    async def forget(self, address: str, /) -> int:
        """Remove mails to this address that are still here; returns how many. What was handed to a server is
        that server's."""
