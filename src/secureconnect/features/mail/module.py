"""What mail contributes: no routes, only that mails arrive."""

from secureconnect.edge.module import Module
from secureconnect.features.mail.service import MailService

__all__ = ["module"]


def module(mail: MailService) -> Module:
    """Mail."""
    return Module(name="mail", role="auth", jobs=["mail"], start=mail.start, stop=mail.stop)
