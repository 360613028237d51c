"""Mail: the transport that the settings name, and the service that feeds it."""

from urllib.parse import urlsplit

from secureconnect.app.settings import Settings
from secureconnect.app.stores import Stores
from secureconnect.features.mail.service import MailService
from secureconnect.infra.mail.base import MailTransport
from secureconnect.infra.mail.file import FileMail

__all__ = ["mail_transport", "wire_mail"]


def wire_mail(settings: Settings, stores: Stores) -> MailService:
    """The service, with its handler in the outbox."""
    return MailService(
        stores.database,
        stores.outbox,
        mail_transport(settings),
        stores.clock,
        stores.metrics,
        seal=stores.sealer.seal,
        unseal=stores.sealer.open,
        public_url=settings.server.public_url,
        max_age=settings.mail.max_age,
    )


def mail_transport(settings: Settings) -> MailTransport:
    """What takes mails out of the house, or into files."""
    mail = settings.mail
    host = _domain(settings.server.public_url)
    sender = mail.sender or f"SecureConnect <no-reply@{host}>"
    if mail.backend == "file":
        return FileMail(settings.data_dir / "mail", sender=sender, host=host)
    from secureconnect.infra.mail.smtp import SmtpMail, SmtpServer  # loads what mail into files does without

    server = SmtpServer(mail.host, mail.port, mail.username, mail.password, mail.tls)
    return SmtpMail(server, sender=sender, host=host)


def _domain(public_url: str) -> str:
    """The server's name as the right side of an address; IP addresses as literals (RFC 5321 §4.1.3)."""
    host = urlsplit(public_url).hostname or "localhost"
    if ":" in host:
        return f"[IPv6:{host}]"
    return f"[{host}]" if host.replace(".", "").isdigit() else host
