"""The section about mail."""

from typing import Annotated, Literal

import msgspec

from secureconnect.kit.settings import Section, about

__all__ = ["MailSettings"]


class MailSettings(Section, frozen=True):
    """Mail that the server writes: verification, password reset, security notices."""

    backend: Annotated[
        Literal["file", "smtp"], about("`file` writes `<data_dir>/mail/*.eml`, `smtp` talks to a server")
    ] = "file"
    host: Annotated[str, about("SMTP server")] = ""
    port: Annotated[int, about("port of the SMTP server", ge=1, le=65_535)] = 587
    username: Annotated[str, about("name to log in with at the SMTP server; empty: no login")] = ""
    password: Annotated[str, about("password to log in with at the SMTP server", secret=True)] = ""
    sender: Annotated[
        str,
        about(
            "who mails come from",
            default="SecureConnect <no-reply@<host of server.public_url>>",
            pattern=r"^$|^([^<>\r\n]*<)?[^@<>\s]+@[^@<>\s]+>?$",
            form="address, or Name <address>",
        ),
    ] = msgspec.field(default="", name="from")
    tls: Annotated[
        Literal["starttls", "tls", "none"],
        about("`starttls` and `tls` (from the first byte) check the server's certificate"),
    ] = "starttls"
    max_age: Annotated[
        int, about("an undelivered mail is given up after that", unit="s", ge=60, le=2_592_000)
    ] = 259_200
