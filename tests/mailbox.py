"""A real SMTP server for tests: aiosmtpd, in this process or as one of its own that can be killed.

As a process: `python -m tests.mailbox <port> <directory>` keeps every accepted mail as a file.
"""

import asyncio
import datetime
import email
import email.policy
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence
from email.message import EmailMessage
from pathlib import Path
from typing import Any, NamedTuple

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = [
    "Letterbox",
    "MailServer",
    "Taken",
    "certificate",
    "link_of",
    "parse",
    "server_context",
    "token_of",
]

_LINK = re.compile(r"https?://\S+[?&]token=([A-Za-z0-9_-]+)")


class Taken(NamedTuple):
    """One mail that the server took."""

    sender: str
    recipients: list[str]
    content: bytes
    encrypted: bool
    login: str | None

    @property
    def message(self) -> EmailMessage:
        return parse(self.content)


def parse(content: bytes) -> EmailMessage:
    """The message in these bytes."""
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def link_of(message: EmailMessage) -> str:
    """The link that the text holds."""
    found = _LINK.search(_text(message))
    assert found is not None, _text(message)
    return found.group(0)


def token_of(message: EmailMessage) -> str:
    """The token in that link."""
    found = _LINK.search(_text(message))
    assert found is not None, _text(message)
    return found.group(1)


def _text(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


class Letterbox:
    """Takes mails and remembers them. `answers` are given to the next recipients instead of taking them."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.answers: list[str] = []

    async def handle_RCPT(  # noqa: N802 - the name that the server calls
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Sequence[str]
    ) -> str:
        if self.answers:
            return self.answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - the name that the server calls
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes), "text is not decoded"
        assert envelope.mail_from is not None
        assert server.transport is not None
        login: Any = session.auth_data
        self.take(
            Taken(
                envelope.mail_from,
                list(envelope.rcpt_tos),
                envelope.content,
                server.transport.get_extra_info("ssl_object") is not None,
                login.decode() if login else None,
            )
        )
        return "250 taken"

    def take(self, mail: Taken) -> None:
        self.taken.append(mail)

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        """`robot` with the password `Sesame-Gate-77`."""
        right = isinstance(data, LoginPassword) and data == LoginPassword(b"robot", b"Sesame-Gate-77")
        return AuthResult(success=right, handled=False, auth_data=b"robot")


class _Directory(Letterbox):
    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory

    def take(self, mail: Taken) -> None:
        fresh = self._directory / f".{time.time_ns()}"
        fresh.write_bytes(mail.content)
        fresh.rename(fresh.with_name(f"{fresh.name[1:]}.eml"))


class MailServer:
    """The server as a process of its own, on a port that stays the same."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None

    def start(self) -> None:
        """Return once it listens."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.mailbox", str(self.port), str(self.directory)],
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def kill(self) -> None:
        """End it as a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None

    def mails(self, to: str | None = None) -> list[EmailMessage]:
        """What it took, oldest first."""
        found = [parse(path.read_bytes()) for path in sorted(self.directory.glob("*.eml"))]
        return [message for message in found if to is None or message["To"] == to]


def certificate(directory: Path) -> Path:
    """A file with a self-signed certificate for localhost and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = directory / "localhost.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def server_context(pem: Path) -> ssl.SSLContext:
    """TLS with that certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    return context


async def _serve(port: int, directory: Path) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    box = _Directory(directory)
    server = await loop.create_server(lambda: SMTP(box, loop=loop), "127.0.0.1", port)
    async with server:
        print("ready", flush=True)
        await stopped.wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), Path(sys.argv[2])))
