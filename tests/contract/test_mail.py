"""The Mail port: a mail arrives as it was written, and a repeat can be told.

The SMTP adapter talks to a real server (aiosmtpd) over sockets, with STARTTLS, TLS and a login.
"""

import asyncio
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal

import pytest
from aiosmtpd.smtp import SMTP

from secureconnect.infra.mail.base import Mail, MailDelayed, MailRefused, MailTransport
from secureconnect.infra.mail.file import FileMail
from secureconnect.infra.mail.smtp import SmtpMail, SmtpServer
from tests.mailbox import Letterbox, certificate, parse, server_context

SENDER = "Secure Connect <no-reply@chat.example.test>"
HOST = "chat.example.test"
WRITTEN = 1_800_000_000_000


def mail(**fields: Any) -> Mail:
    values: dict[str, Any] = {
        "mail_id": "0197-aa",
        "to": "anna@example.test",
        "subject": "Set a new password",
        "text": "Hello,\n\nhttps://chat.example.test/reset?token=" + "T" * 43 + "\n",
        "html": "<p>Hello,</p>\n",
        "written_at": WRITTEN,
        **fields,
    }
    return Mail(**values)


@asynccontextmanager
async def listening(
    box: Letterbox, *, tls: Literal["starttls", "tls", "none"] = "none", pem: Path | None = None, **more: Any
) -> AsyncIterator[int]:
    """A server on a free port of localhost; gives the port."""
    loop = asyncio.get_running_loop()
    context = server_context(pem) if pem is not None else None
    extra: dict[str, Any] = {"loop": loop, **more}
    if tls == "starttls":
        extra |= {"tls_context": context, "require_starttls": True}
    server = await loop.create_server(
        lambda: SMTP(box, **extra), "127.0.0.1", 0, ssl=context if tls == "tls" else None
    )
    async with server:
        yield server.sockets[0].getsockname()[1]


def smtp(port: int, **fields: Any) -> SmtpMail:
    values: dict[str, Any] = {
        "host": "localhost",
        "port": port,
        "username": "",
        "password": "",
        "tls": "none",
    }
    return SmtpMail(SmtpServer(**{**values, **fields}), sender=SENDER, host=HOST)


def said(message: EmailMessage) -> list[str]:
    """Its parts; lines end with CRLF on the way."""
    return [part.get_content().replace("\r\n", "\n") for part in message.iter_parts()]


Got = Callable[[], list[EmailMessage]]


@pytest.fixture(params=["file", "smtp"])
async def arriving(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[tuple[MailTransport, Got]]:
    """Each adapter, and what arrived through it."""
    if request.param == "file":
        directory = tmp_path / "mail"

        def written() -> list[EmailMessage]:
            return [parse(path.read_bytes()) for path in sorted(directory.glob("*"))]

        yield FileMail(directory, sender=SENDER, host=HOST), written
        return
    box = Letterbox()
    async with listening(box) as port:
        yield smtp(port), lambda: [taken.message for taken in box.taken]


async def test_a_mail_arrives_as_it_was_written(arriving: tuple[MailTransport, Got]) -> None:
    transport, got = arriving
    await transport.send(mail())
    (message,) = got()
    assert {
        name: str(message[name]) for name in ("From", "To", "Subject", "Message-ID", "Auto-Submitted")
    } == {
        "From": SENDER,
        "To": "anna@example.test",
        "Subject": "Set a new password",
        "Message-ID": "<0197-aa@chat.example.test>",
        "Auto-Submitted": "auto-generated",
    }
    assert message["Date"].datetime.timestamp() * 1000 == WRITTEN
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert said(message) == [mail().text, mail().html]
    assert b"token=" + b"T" * 43 in message.as_bytes(), "a link can be read in the raw message"


@pytest.mark.parametrize(
    "text",
    ["Grüße, 漢字 ✓\n", "x" * 2000 + "\n", ".\n..\nFrom here\n", ""],
    ids=["letters", "long", "dots", ""],
)
async def test_any_text_arrives(arriving: tuple[MailTransport, Got], text: str) -> None:
    transport, got = arriving
    await transport.send(mail(subject="Grüße ✓", text=text, html=f"<p>{text}</p>\n"))
    (message,) = got()
    assert message["Subject"] == "Grüße ✓"
    assert [part.rstrip("\n") for part in said(message)] == [text.rstrip("\n"), f"<p>{text}</p>"]
    assert message.as_bytes().isascii()


async def test_a_repeat_carries_the_same_id(arriving: tuple[MailTransport, Got]) -> None:
    transport, got = arriving
    for _ in range(2):
        await transport.send(mail())
    assert {message["Message-ID"] for message in got()} == {"<0197-aa@chat.example.test>"}


async def test_files_are_private_and_one_per_mail(tmp_path: Path) -> None:
    transport = FileMail(tmp_path / "deep" / "mail", sender=SENDER, host=HOST)
    await asyncio.gather(*(transport.send(mail(mail_id=f"m{number % 5}")) for number in range(20)))
    files = sorted((tmp_path / "deep" / "mail").iterdir())
    assert [path.name for path in files] == [f"m{number}.eml" for number in range(5)]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "deep" / "mail").stat().st_mode) == 0o700


async def test_a_directory_that_cannot_be_written_delays(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("a file in its place")
    with pytest.raises(MailDelayed) as delayed:
        await FileMail(tmp_path / "mail", sender=SENDER, host=HOST).send(mail())
    assert delayed.value.unreachable


# The server does not see that TLS from the first byte is TLS, and warns about the login.
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")
@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_encrypted_and_logged_in(
    tls: Literal["starttls", "tls"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = certificate(tmp_path)
    box = Letterbox()
    async with listening(
        box,
        tls=tls,
        pem=pem,
        auth_required=True,
        authenticator=box.authenticate,
        auth_require_tls=tls == "starttls",
    ) as port:
        login = {"username": "robot", "password": "Sesame-Gate-77", "tls": tls}
        with pytest.raises(MailDelayed) as delayed:  # nobody vouches for the certificate
            await smtp(port, **login).send(mail())
        assert delayed.value.unreachable
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        await smtp(port, **login).send(mail())
        took = await smtp(port, **login).ping()
        assert took is not None
        assert took > 0
        with pytest.raises(MailDelayed):
            await smtp(port, **{**login, "password": "Wrong-Words-12"}).ping()
        with pytest.raises(MailDelayed) as refused:
            await smtp(port, **{**login, "password": "Wrong-Words-12"}).send(mail())
        assert refused.value.unreachable
        assert "535" in refused.value.reason
        with pytest.raises(MailDelayed):
            await smtp(port, tls=tls).send(mail())
    (taken,) = box.taken
    assert (taken.sender, taken.recipients) == ("no-reply@chat.example.test", ["anna@example.test"])
    assert (taken.encrypted, taken.login) == (True, "robot")


async def test_only_a_server_that_answers_is_there(tmp_path: Path) -> None:
    async with listening(Letterbox()) as port:
        assert await smtp(port).ping() is not None
    with pytest.raises(MailDelayed) as away:
        await smtp(port).ping()
    assert away.value.unreachable
    assert await FileMail(tmp_path / "mail", sender=SENDER, host=HOST).ping() is None


async def test_without_starttls_nothing_is_sent_in_the_clear() -> None:
    box = Letterbox()
    async with listening(box) as port:
        with pytest.raises(MailDelayed):
            await smtp(port, tls="starttls").send(mail())
    assert box.taken == []


@pytest.mark.parametrize(
    ("answer", "refused", "unreachable"),
    [
        ("550 no such mailbox", True, None),
        ("552 too big", True, None),
        ("450 come back later", False, False),
        ("451 an error here", False, False),
        ("421 closing", False, True),
        ("530 log in first", False, True),
    ],
)
async def test_what_the_server_answers(answer: str, refused: bool, unreachable: bool | None) -> None:
    box = Letterbox()
    box.answers = [answer]
    async with listening(box) as port:
        transport = smtp(port)
        with pytest.raises((MailRefused, MailDelayed)) as raised:
            await transport.send(mail())
        assert isinstance(raised.value, MailRefused) is refused
        assert getattr(raised.value, "unreachable", None) is unreachable
        assert "anna" not in str(raised.value)
        await transport.send(mail())
    assert len(box.taken) == 1


async def test_a_server_that_is_away_or_speaks_something_else() -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        await writer.wait_closed()

    ports = []
    handlers: list[Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]] = [
        nonsense,
        silent,
    ]
    for handler in handlers:
        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        ports.append((server, server.sockets[0].getsockname()[1]))
    for server, port in ports:
        for _ in range(2):  # the second time nobody listens any more
            with pytest.raises(MailDelayed) as delayed:
                await smtp(port).send(mail())
            assert delayed.value.unreachable
            server.close()
            await server.wait_closed()


@pytest.mark.parametrize("to", ["two@example.test\r\nBcc: x@example.test", "no address", "a b@example.test"])
async def test_what_is_no_address_is_never_sent(arriving: tuple[MailTransport, Got], to: str) -> None:
    transport, got = arriving
    with pytest.raises(MailRefused):
        await transport.send(mail(to=to))
    assert got() == []
