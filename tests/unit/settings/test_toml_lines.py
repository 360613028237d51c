"""The scanner finds every key where it stands."""

import tomllib
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from secureconnect.app.settings.toml_lines import key_lines

TRICKY = """\
# [comment]
top = 1

[auth] # with a comment
"quoted key" = "a # b"
list = [
  "x", # ]
  '''y
  ]''',
]
text = \"\"\"
fake = 1
[fake]
\\\"\"\" still inside\"\"\"
literal = 'C:\\'
after = { inline = 1, other = "}" }

[ server . "tls" ]
port=1
http.docs = true
[[array]]
item = 2
"""


def test_keys_after_strings_arrays_and_comments() -> None:
    tomllib.loads(TRICKY)
    assert key_lines(TRICKY) == {
        ("top",): 2,
        ("auth",): 4,
        ("auth", "quoted key"): 5,
        ("auth", "list"): 6,
        ("auth", "text"): 11,
        ("auth", "literal"): 15,
        ("auth", "after"): 16,
        ("server", "tls"): 18,
        ("server", "tls", "port"): 19,
        ("server", "tls", "http", "docs"): 20,
        ("array",): 21,
        ("array", "item"): 22,
    }


def test_no_text_no_keys() -> None:
    assert key_lines("") == {}
    assert key_lines("# only this") == {}


names = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=20)
values = st.one_of(
    st.integers(-9, 9).map(str),
    texts.map(lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'),
    texts.map(lambda text: "'" + text.replace("'", "") + "'"),
    texts.map(lambda text: '"""\n' + text.replace("\\", "\\\\").replace('"', '\\"') + '\n[a]\nb = 1 """'),
    texts.map(lambda text: "'''" + text.replace("'", "") + "\n# ''' # '"),
    st.just('[ "]", # [\n "#",\n]'),
    st.just('{ a = "}", b = [1, 2] }'),
)


@given(st.dictionaries(names, st.dictionaries(names, values, max_size=4), max_size=4))
def test_every_written_key_is_found_on_its_line(tables: Mapping[str, Mapping[str, str]]) -> None:
    text = ""
    expected: dict[tuple[str, ...], int] = {}
    for table, entries in tables.items():
        expected[(table,)] = text.count("\n") + 1
        text += f"[{table}]\n"
        for key, value in entries.items():
            expected[(table, key)] = text.count("\n") + 1
            text += f"{key} = {value}\n"
    tomllib.loads(text)
    assert key_lines(text) == expected
