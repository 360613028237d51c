"""A letter as subject, text and HTML."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape
from textwrap import fill
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from secureconnect.features.mail.api import AccountLocked, Letter, NewDevice, SecondFactorChanged
from secureconnect.features.mail.service.texts import (
    CODE,
    FACTOR_CHANGES,
    FOOTER,
    GREETING,
    LINK,
    LOCKED,
    TEXTS,
    TYPE_IT,
    Text,
)

__all__ = ["Rendered", "render", "template"]

_WIDTH = 76
# Names of devices are chosen by whoever logs in: nothing that a mail program makes a link of.
_HARMLESS = re.compile(r"[\w '’()+-]{1,100}")


class Rendered(NamedTuple):
    """What a mail says. `html` is a whole document, `text` has no line over 76 characters but links."""

    subject: str
    text: str
    html: str


def template(letter: Letter) -> str:
    """The name of the letter's text."""
    tag: str = letter.__struct_config__.tag  # type: ignore[assignment]
    return tag


def render(letter: Letter, *, public_url: str) -> Rendered:
    """Fill the letter's text in; links begin with `public_url`, whatever address a request used."""
    text = TEXTS[template(letter)]
    server = public_url.rstrip("/")
    fields = {**_fields(letter), "server": server}
    token = fields.get("token", "")
    link = f"{server}{text.path}?token={quote(token)}"
    plain, html = [GREETING], [_paragraph(GREETING)]
    for paragraph in text.paragraphs():
        if paragraph == LINK:
            plain.append(link)
            html.append(_button(link, text))
        elif paragraph == CODE:
            plain.append(f"{TYPE_IT}\n{token}")
            html.append(_paragraph(TYPE_IT) + _code(token))
        else:
            filled = paragraph.format_map(fields)
            plain.append(_wrapped(filled))
            html.append(_paragraph(filled))
    footer = FOOTER.format_map(fields)
    plain.append(f"-- \n{_wrapped(footer)}")
    return Rendered(text.subject, "\n\n".join(plain) + "\n", _document(text.subject, html, footer))


def _wrapped(words: str) -> str:
    return fill(words, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _fields(letter: Letter) -> dict[str, str]:
    return dict(_named(letter))


def _named(letter: Letter) -> Iterator[tuple[str, str]]:
    for name, value in msgspec.structs.asdict(letter).items():
        if name in {"at", "erase_at"}:
            yield name, _moment(value)
        elif name == "seconds":
            yield "period", _period(value)
        else:
            yield name, str(value)
    if isinstance(letter, NewDevice):
        name = letter.device_name or ""
        yield "device", name if _HARMLESS.fullmatch(name) else "a device without a name"
    if isinstance(letter, SecondFactorChanged):
        yield "change", FACTOR_CHANGES[letter.change]
    if isinstance(letter, AccountLocked):
        yield "locked", LOCKED[letter.everywhere].format(period=_period(letter.seconds))


def _moment(ms: int) -> str:
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def _period(seconds: int) -> str:
    """`24 hours`, `15 minutes`, `90 seconds`: the largest unit that loses nothing."""
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        count, rest = divmod(seconds, size)
        if rest == 0 and count and (count > 1 or size < 86_400):
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "a moment"


def _paragraph(words: str) -> str:
    return f'<p style="margin:0 0 16px">{escape(words)}</p>\n'


def _code(token: str) -> str:
    return f'<p style="margin:0 0 16px;font-family:monospace;word-break:break-all">{escape(token)}</p>\n'


def _button(link: str, text: Text) -> str:
    style = "background:#1f5fbf;border-radius:6px;color:#fff;display:inline-block;padding:10px 18px"
    shown = f'<a style="{style};text-decoration:none"\nhref="{escape(link)}">{escape(text.button)}</a>'
    return f'<p style="margin:0 0 16px">{shown}</p>\n'


def _document(subject: str, paragraphs: list[str], footer: str) -> str:
    body = "".join(paragraphs)
    font = "font:16px/1.5 system-ui,sans-serif;color:#222"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{escape(subject)}</title>\n</head>\n"
        f'<body style="margin:0;padding:24px;{font}">\n<div style="max-width:560px;margin:0 auto">\n'
        f'{body}<p style="margin:24px 0 0;color:#666;font-size:13px">{escape(footer)}</p>\n'
        "</div>\n</body>\n</html>\n"
    )
