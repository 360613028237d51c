"""Fields of request bodies that several routes take."""

from typing import Annotated

from msgspec import Meta

from secureconnect.edge.validation import Opaque

__all__ = ["DeviceName", "MailedToken", "Password", "TypedPassword"]

#: A password to be set, and one that is compared with what is set.
Password = Annotated[str, Meta(min_length=8, max_length=1024, extra={"clean": "words"})]
TypedPassword = Annotated[str, Meta(min_length=1, max_length=1024, extra={"clean": "words"})]
DeviceName = Annotated[str, Meta(min_length=1, max_length=100, extra={"clean": "name"})]
MailedToken = Annotated[Opaque, Meta(min_length=1, max_length=256)]
