"""Letters as text and HTML."""

from html.parser import HTMLParser
from typing import Any, get_args

import pytest

from secureconnect.features.mail.api import (
    AccountDeleted,
    AccountLocked,
    EmailChange,
    EmailChangeNotice,
    EmailVerify,
    FactorChange,
    Letter,
    NewDevice,
    PasswordChanged,
    PasswordReset,
    SecondFactorChanged,
)
from secureconnect.features.mail.service.rendering import render, template
from secureconnect.features.mail.service.texts import FACTOR_CHANGES, TEXTS

SERVER = "https://chat.example.test"
TOKEN = "T-_" + "x" * 40
AT = 1_800_000_000_000  # 15 January 2027, 08:00 UTC

LETTERS: list[Letter] = [
    EmailVerify(TOKEN, 86_400),
    PasswordReset("anna", TOKEN, 3600),
    EmailChange(TOKEN, 86_400),
    EmailChangeNotice("anna", AT, "198.51.100.1"),
    NewDevice("anna", AT, "198.51.100.1", "Anna's phone"),
    PasswordChanged("anna", AT, "198.51.100.1"),
    AccountLocked("anna", AT, 900, everywhere=False),
    AccountLocked("anna", AT, 3600, everywhere=True),
    SecondFactorChanged("anna", AT, "totp_enabled"),
    AccountDeleted("anna", AT, AT + 7 * 86_400_000),
]


class Page(HTMLParser):
    """The words and links of a document; every element that is opened is closed."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self._open: list[str] = []
        self.feed(document)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag != "meta":
            self._open.append(tag)
        self.links += [value for name, value in attrs if name in {"href", "src"}]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data.split()


def test_there_is_a_text_for_every_letter_and_no_other() -> None:
    assert set(TEXTS) == {template(letter) for letter in LETTERS}
    assert {type(letter) for letter in LETTERS} == set(get_args(Letter))
    assert set(FACTOR_CHANGES) == set(get_args(FactorChange))


@pytest.mark.parametrize("letter", LETTERS, ids=template)
def test_both_forms_say_the_same_and_leave_nothing_open(letter: Letter) -> None:
    subject, text, html = render(letter, public_url=SERVER)
    assert subject
    assert not set("{}") & set(text + html)
    assert "<" not in text
    assert max(len(line) for line in text.splitlines() if "token=" not in line) <= 76
    assert all(len(line) < 998 for line in html.splitlines())
    page = Page(html)
    mailed = hasattr(letter, "token")
    link = f"{SERVER}{TEXTS[template(letter)].path}?token={TOKEN}"
    assert page.links == ([link] if mailed else [])
    assert text.splitlines().count(link) == (1 if mailed else 0)
    assert text.splitlines().count(TOKEN) == (1 if mailed else 0)
    button = TEXTS[template(letter)].button.split()
    shown = [word for word in page.words if word not in {*subject.split(), *button}]
    said = [word for word in text.split() if word not in {link, "--", *subject.split(), *button}]
    assert shown == said


@pytest.mark.parametrize("url", [SERVER, SERVER + "/", "https://example.test/chat", "http://[::1]:8080"])
def test_links_begin_with_the_public_address(url: str) -> None:
    text = render(LETTERS[1], public_url=url).text
    assert f"{url.rstrip('/')}/reset-password?token={TOKEN}\n" in text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3600, "1 hour"),
        (86_400, "24 hours"),
        (172_800, "2 days"),
        (900, "15 minutes"),
        (90, "90 seconds"),
        (1, "1 second"),
    ],
)
def test_periods(seconds: int, words: str) -> None:
    assert (
        f"works once, for {words}." in render(PasswordReset("anna", TOKEN, seconds), public_url=SERVER).text
    )


@pytest.mark.parametrize(
    "name",
    [
        "<b>x</b>",
        "https://evil.example",
        "evil.example",
        "a@b",
        "x\r\nBcc: y@example.test",
        "",
        None,
        "x" * 101,
    ],
)
def test_names_of_devices_carry_nothing_into_a_mail(name: str | None) -> None:
    rendered = render(NewDevice("anna", AT, "198.51.100.1", name), public_url=SERVER)
    assert "a device without a name" in " ".join(rendered.text.split())
    assert not name or name not in rendered.text + rendered.html


def test_harmless_names_of_devices_are_shown() -> None:
    rendered = render(NewDevice("anna", AT, "198.51.100.1", "Anna's Fön (2)"), public_url=SERVER)
    assert "Anna's Fön (2), 198.51.100.1." in " ".join(rendered.text.split())
    assert "Anna&#x27;s Fön (2)" in rendered.html
    assert "15 January 2027, 08:00 UTC" in " ".join(rendered.text.split())
