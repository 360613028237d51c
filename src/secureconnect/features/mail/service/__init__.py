"""Use cases of mail: `texts` is the catalogue, `rendering` fills it in, `mailer` sees that it arrives."""

from secureconnect.features.mail.service.mailer import MailService

__all__ = ["MailService"]
