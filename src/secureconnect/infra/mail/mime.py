"""A mail as bytes (RFC 5322, MIME): text and HTML as alternatives."""

from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from secureconnect.infra.mail.base import Mail, MailRefused

__all__ = ["envelope_sender", "mime_bytes"]

_LONGEST_LINE = 998  # RFC 5322 §2.1.1


def envelope_sender(sender: str) -> str:
    """The bare address of `Name <address>`."""
    return parseaddr(sender)[1]


def mime_bytes(mail: Mail, *, sender: str, host: str) -> bytes:
    """The message, with CRLF line ends and in 7 bits, so that every server takes it.

    Args:
        sender: an address, or `Name <address>`.
        host: the right side of the Message-ID.

    Raises:
        MailRefused: `mail.to` is no address.
    """
    name, address = parseaddr(sender)
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(display_name=name, addr_spec=address)
    message["To"] = _recipient(mail.to)
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(datetime.fromtimestamp(mail.written_at / 1000, UTC))
    message["Message-ID"] = f"<{mail.mail_id}@{host}>"
    # Nobody answers with a note that they are on holiday (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text, cte=_encoding(mail.text))
    message.add_alternative(mail.html, subtype="html", cte=_encoding(mail.html))
    return message.as_bytes()


def _recipient(address: str) -> Address:
    try:
        return Address(addr_spec=address)
    except (ValueError, IndexError, HeaderParseError) as error:
        raise MailRefused("not an address") from error


def _encoding(text: str) -> str:
    """Plain where it can be: a link then stays readable in the raw message."""
    plain = text.isascii() and max(map(len, text.splitlines()), default=0) <= _LONGEST_LINE
    return "7bit" if plain else "quoted-printable"
