"""Mails of a server, read where it puts them until SMTP is configured."""

import asyncio
from email.message import EmailMessage

from tests.mailbox import parse, token_of
from tests.scenarios.server import Server
from tests.scenarios.steps import ISSUED

__all__ = ["mailed", "mails"]

_PATIENCE = 10.0


def mails(server: Server, to: str) -> list[EmailMessage]:
    """What was written to this address so far, oldest first."""
    found = [parse(path.read_bytes()) for path in (server.data_dir / "mail").glob("*.eml")]
    return sorted((mail for mail in found if mail["To"] == to), key=lambda mail: str(mail["Message-ID"]))


async def mailed(server: Server, to: str, subject: str, count: int = 1) -> EmailMessage:
    """The newest mail to this address with this subject; waits until there are `count` of them."""
    async with asyncio.timeout(_PATIENCE):
        while True:
            found = [mail for mail in mails(server, to) if mail["Subject"] == subject]
            if len(found) >= count:
                assert len(found) == count, [mail["Subject"] for mail in found]
                if "token=" in found[-1].as_string():
                    ISSUED.add(token_of(found[-1]))  # no log may hold it
                return found[-1]
            await asyncio.sleep(0.02)
