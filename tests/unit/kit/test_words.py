"""What a word is: spellings that are the same, and scripts without spaces."""

import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secureconnect.kit.words import fold, terms, wanted

_TEXT = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="aAéÉ\u0301ßİıøد\u064eשָ日本カガ한글ไทย😀👍🏽\u200d\ufe0f_-'\"* §", max_size=30),
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Hello, World! 3.14", {"hello", "world", "3", "14"}),
        ("l'amour don\u2019t", {"l", "amour", "don", "t"}),
        ("snake_case kebab-case", {"snake", "case", "kebab"}),
        ("https://example.test/a?b=c", {"https", "example", "test", "a", "b", "c"}),
        ("café CAFÉ cafe\u0301", {"cafe"}),
        ("Straße Łódź Øre Đặng Æon", {"strasse", "lodz", "ore", "dang", "aeon"}),
        ("İstanbul ılık", {"istanbul", "ilik"}),
        ("Ёлка", {"елка"}),
        ("שָׁלוֹם", {"שלום"}),
        ("مُحَمَّد كتـــاب", {"محمد", "كتاب"}),
        ("हिन्दी", {"हिन्दी"}),
        ("ﬁne ² ①", {"fine", "2", "1"}),
        ("co\u00adoperate", {"cooperate"}),
        ("日本語", {"日本", "本語", "語"}),
        ("東京2020年", {"東京", "京", "2020", "年"}),
        ("ไทย", {"ไท", "ทย", "ย"}),
        ("안녕", {"안녕", "녕"}),
        ("がガ", {"がガ", "ガ"}),
        ("ok👍🏽 ❤️", {"ok", "👍", "❤"}),
        (" .,;—… ", set()),
    ],
)
def test_terms(text: str, found: set[str]) -> None:
    assert terms(text) == found


@pytest.mark.parametrize(
    ("query", "text", "matches"),
    [
        ("hel wor", "The world says hello", True),
        ("hel wor", "hello", False),
        ("", "anything", True),
        ("cafe", "CAFÉ", True),
        ("CAFÉ", "cafeteria", True),
        ("fé", "café", False),
        ("本語", "日本語です", True),
        ("日語", "日本語 語日", False),
        ("日", "今日は", True),
        ("は日", "今日は 日", False),
        ("iphone 日本", "日本のiPhone15", True),
        ("녕하", "안녕하세요", True),
        ("👍", "ok 👍🏿", True),
        ("дом", "Дома", True),
    ],
)
def test_found_in(query: str, text: str, *, matches: bool) -> None:
    assert wanted(query).found_in(text) == matches


def test_what_another_word_implies_is_left_out() -> None:
    asked = wanted("hel hello Hello h 日本 日本語 日")
    assert (asked.words, asked.runs) == (("hello",), ("日本語",))
    assert (asked.prefixes, asked.pairs) == (("hello",), ("日本", "本語"))
    single = wanted("日")
    assert (single.prefixes, single.pairs) == (("日",), ())


@given(_TEXT)
def test_terms_are_what_the_index_takes(text: str) -> None:
    """No blank and no other sign of ASCII, or of what marks a facet, ever stands in a term."""
    for term in terms(text):
        assert term
        assert not set(term) & set(string.whitespace + string.punctuation + string.ascii_uppercase + "§")
        assert term.split() == [term]
        assert fold(term) == term


@given(_TEXT, _TEXT)
def test_the_index_misses_nothing_that_matches(query: str, text: str) -> None:
    """Whatever is found in a text is also proposed by its terms."""
    asked, stored = wanted(query), terms(text)
    if asked.found_in(text):
        assert set(asked.pairs) <= stored
        assert all(any(term.startswith(prefix) for term in stored) for prefix in asked.prefixes)


@given(_TEXT)
def test_a_text_is_found_by_itself(text: str) -> None:
    asked = wanted(text)
    assert asked.found_in(text)
    assert bool(asked) == bool(terms(text))
    for form in ("NFC", "NFD"):
        assert wanted(unicodedata.normalize(form, text)).found_in(text)


@given(_TEXT)
def test_ascii_needs_no_work(text: str) -> None:
    """The index splits ASCII itself, as `terms` would."""
    plain = "".join(sign for sign in text if sign.isascii())
    blanks = str.maketrans({sign: " " for sign in map(chr, range(128)) if not sign.isalnum()})
    assert set(plain.lower().translate(blanks).split()) == terms(plain)
