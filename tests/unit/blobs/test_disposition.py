"""What a download is called: safe in a header, and the name again for whoever reads it as RFC 8187 says."""

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secureconnect.infra.blobs.disposition import attachment

_SHAPE = re.compile(
    r"attachment; filename=\"([A-Za-z0-9 ._()+-]{1,160})\"; filename\*=UTF-8''([A-Za-z0-9!#$&+^`|._~%-]*)"
)


@given(st.text(max_size=255))
def test_every_name_is_carried_whole_and_harmless(name: str) -> None:
    match = _SHAPE.fullmatch(attachment(name))
    assert match is not None
    assert unquote(match.group(2)) == name.encode("utf-8", "replace").decode()


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("photo.png", "photo.png"),
        ("Übung – 1.pdf", "Ubung  1.pdf"),
        ('a"\r\nX: y.html', "a___X_ y.html"),
        ("日本", "file"),
        ("..", "file"),
        ("", "file"),
        ("x" * 300 + ".tar", "x" * 147 + ".tar"),
        ("a/b\\c", "a_b_c"),
        ("100%.txt", "100_.txt"),
    ],
)
def test_old_clients_get_something_plain(name: str, plain: str) -> None:
    match = _SHAPE.fullmatch(attachment(name))
    assert match is not None
    assert match.group(1) == plain
