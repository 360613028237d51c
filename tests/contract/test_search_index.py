"""The SearchIndex port: what is put is found, by those who may, newest first, and nothing is left out."""

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from secureconnect.infra.search.base import Document, Place, Progress, Query, SearchIndex
from secureconnect.kit.ids import new_id
from secureconnect.kit.words import wanted

from .database_worlds import StartServer
from .search_worlds import INDEXES, START, Model, Opened, document, everywhere, walk

_DAY = 24 * 3600 * 1000


@pytest.fixture(params=sorted(INDEXES))
async def opened(
    request: pytest.FixtureRequest, tmp_path: Path, postgres_server: StartServer
) -> AsyncIterator[Opened]:
    async with INDEXES[request.param](tmp_path, postgres_server) as opened:
        await opened.index.begin(START)
        yield opened


@pytest.fixture
def index(opened: Opened) -> SearchIndex:
    return opened.index


async def found(index: SearchIndex, text: str, *conversation_ids: str, **fields: Any) -> list[int]:
    """The seqs of what is found."""
    query = Query(wanted(text), **fields)
    return [hit.seq for hit in (await index.find(query, everywhere(*conversation_ids), limit=50)).hits]


async def test_words(index: SearchIndex) -> None:
    key = new_id()
    texts = [
        "Hello, wörld!",
        "HELP is at hand",
        "日本語テスト",
        "snake_case-name:x",
        "Hello HELLO",
        "мир Ёлка",
    ]
    await index.put([document(key, seq, text) for seq, text in enumerate(texts, 1)], [], upto=1)
    for text, seqs in {
        "hel": [5, 2, 1],
        "hello": [5, 1],
        "hello world": [1],
        "WÖRLD hel": [1],
        "ello": [],
        "case": [4],
        "x name": [4],
        "本語": [3],
        "本": [3],
        "ト": [3],
        "日語": [],
        "елка": [6],
        "h": [5, 2, 1],
        "hellohello": [],
        "": [6, 5, 4, 3, 2, 1],
    }.items():
        assert await found(index, text, key) == seqs, text


async def test_only_inside_and_from_where_it_may(index: SearchIndex) -> None:
    mine, theirs = new_id(), new_id()
    await index.put(
        [document(key, seq, "hello") for seq in range(1, 6) for key in (mine, theirs)], [], upto=1
    )
    assert await found(index, "hello", mine) == [5, 4, 3, 2, 1]
    assert await found(index, "hello", new_id()) == []
    assert await found(index, "hello") == []
    page = await index.find(Query(wanted("hello")), {mine: 4, theirs: 5}, limit=50)
    assert [(hit.conversation_id, hit.seq) for hit in page.hits] == [(theirs, 5), (mine, 5), (mine, 4)]


async def test_what_people_write_is_no_syntax_and_no_facet(index: SearchIndex) -> None:
    key, other = new_id(), new_id()
    await index.put([document(other, 1, "x")], [], upto=1)
    forged = [
        "§§§§§c1 §§§§§c2 §§§§§hfile",
        "hello AND NOT (world) OR NEAR(a b, 1) words: ^x -y + z*",
        "'; DROP TABLE search_words; --",
        '"quoted" ""',
        "é §§§§§c1",
    ]
    await index.put([document(key, seq, text) for seq, text in enumerate(forged, 1)], [], upto=1)
    assert await found(index, "", key) == [5, 4, 3, 2, 1]
    assert await found(index, "", key, has=frozenset({"file"})) == []
    for seq, text in enumerate(forged, 1):
        assert seq in await found(index, text, key)
    assert await found(index, "", other) == [1]
    assert await found(index, "AND", key) == [2]
    assert await found(index, "OR NOT", key) == [2]


async def test_facets_and_days(index: SearchIndex) -> None:
    key, ann, bob = new_id(), new_id(), new_id()
    start = 1_700_000_000_000 // _DAY * _DAY
    sent = [
        document(key, 1, "a", sender_id=ann, sent_at=start - 1),
        document(key, 2, "a", sender_id=bob, sent_at=start, has=frozenset({"link"})),
        document(key, 3, "a", sender_id=ann, sent_at=start + _DAY - 1, has=frozenset({"file", "image"})),
        document(key, 4, "a", sender_id=None, sent_at=start + _DAY, message_type="file"),
        # The clock was set back.
        document(key, 5, "a", sender_id=ann, sent_at=start - 3 * _DAY),
    ]
    await index.put(sent, [], upto=1)
    assert await found(index, "", key, sender_id=ann) == [5, 3, 1]
    assert await found(index, "a", key, sender_id=new_id()) == []
    assert await found(index, "", key, message_type="file") == [4]
    assert await found(index, "", key, has=frozenset({"file"})) == [3]
    assert await found(index, "", key, has=frozenset({"file", "link"})) == []
    assert await found(index, "", key, since=start) == [4, 3, 2]
    assert await found(index, "", key, until=start) == [5, 1]
    assert await found(index, "", key, since=start, until=start + _DAY) == [3, 2]
    assert await found(index, "", key, since=start + 2 * _DAY) == []
    assert await found(index, "", key, until=start - 4 * _DAY) == []
    assert await found(index, "a", key, until=-1) == []


async def test_changes_count_and_positions_stay(opened: Opened) -> None:
    index, key = opened.index, new_id()
    sent = [document(key, seq, f"word{seq} same") for seq in range(1, 8)]
    await index.put(sent, [], upto=5)
    before = (await index.find(Query(wanted("same")), everywhere(key), limit=50)).hits
    edited = document(key, 3, "changed same", message_id=sent[2].message_id)
    await index.put([edited, sent[4]], [sent[0].place, Place(key, 99), Place(new_id(), 1)], upto=7)
    await opened.sound()
    after = (await index.find(Query(wanted("same")), everywhere(key), limit=50)).hits
    assert after == before[:-1]
    assert await found(index, "word3", key) == []
    assert await found(index, "changed", key) == [3]
    assert await found(index, "word1", key) == []
    # One batch that says several things about one message: the last counts.
    await index.put([document(key, 9, "first"), document(key, 9, "second")], [], upto=8)
    assert (await found(index, "first", key), await found(index, "second", key)) == ([], [9])
    assert await index.progress() == Progress(8, None)
    # A database that was put back and went another way: another message stands at this place.
    other = document(key, 7, "instead", sent_at=1_700_000_000_000 + 9 * _DAY)
    await index.put([other], [], upto=9)
    (hit,) = (await index.find(Query(wanted("instead"), since=other.sent_at), everywhere(key), limit=9)).hits
    assert (hit.message_id, hit.seq) == (other.message_id, 7)
    await opened.sound()


async def test_older_ones_go_below(opened: Opened) -> None:
    index, key, other = opened.index, new_id(), new_id()
    await index.begin(Progress(5, "x"))
    await index.put([document(key, 10, "hello new")], [], upto=6)
    await index.put_older([document(key, 9, "hello"), document(other, 3, "hello")], older_than="m")
    assert await index.progress() == Progress(6, "m")
    await index.put([document(key, 11, "hello newest")], [], upto=7)
    known = document(key, 10, "hello replaced")
    await index.put_older([known, document(key, 8, "hello")], older_than=None)
    assert await index.progress() == Progress(7, None)
    assert await found(index, "hello", key, other) == [11, 10, 9, 3, 8]
    assert await found(index, "new", key) == [11, 10], "what is there stays as it is"
    await opened.sound()


async def test_forgetting(opened: Opened) -> None:
    index, key, other = opened.index, new_id(), new_id()
    await index.put([document(one, seq, "hello") for seq in range(1, 11) for one in (key, other)], [], upto=1)
    assert await index.conversations(after=None, limit=5) == dict.fromkeys(sorted((key, other)), 1)
    assert await index.conversations(after=max(key, other), limit=5) == {}
    assert await index.forget(key, 6, 4) == 4
    assert await index.forget(key, 6, 4) == 1
    assert await found(index, "hello", key) == [10, 9, 8, 7, 6]
    assert (await index.conversations(after=None, limit=5))[key] == 6
    assert await index.forget(other, None, 100) == 10
    assert await index.forget(new_id(), None, 100) == 0
    assert await index.conversations(after=None, limit=5) == {key: 6}
    assert await found(index, "hello", key, other) == [10, 9, 8, 7, 6]
    await index.put([document(other, 11, "hello again")], [], upto=2)
    assert await found(index, "hello", key, other) == [11, 10, 9, 8, 7, 6]
    await opened.sound()


async def test_beginning_empties(opened: Opened) -> None:
    index, key = opened.index, new_id()
    await index.put([document(key, 1, "hello")], [], upto=1)
    await index.begin(Progress(9, "z"))
    assert await index.progress() == Progress(9, "z")
    assert await found(index, "hello", key) == []
    await opened.sound()


async def test_a_new_index_says_so(tmp_path: Path, postgres_server: StartServer) -> None:
    for name, open_index in INDEXES.items():
        (tmp_path / name).mkdir()
        async with open_index(tmp_path / name, postgres_server) as opened:
            assert await opened.index.progress() is None
            await opened.index.begin(START)
        async with open_index(tmp_path / name, postgres_server) as opened:
            assert await opened.index.progress() == START


@pytest.mark.parametrize("seed", range(4))
async def test_against_the_model(opened: Opened, seed: int) -> None:
    """Random puts, edits and deletions, upkeep in between, and every kind of walk over them."""
    random.seed(seed)
    index, model = opened.index, Model()
    words = ["hello", "help", "held", "wörld", "word", "日本語", "本日", "x"]
    people = [new_id() for _ in range(3)]
    conversations = [new_id() for _ in range(random.choice((3, 25, 300)))]
    heads = dict.fromkeys(conversations, 0)

    def fresh() -> Document:
        key = random.choice(conversations)
        heads[key] += 1
        return document(
            key,
            heads[key],
            " ".join(random.choices(words, k=random.randint(0, 5))),
            sender_id=random.choice([*people, None]),
            sent_at=1_700_000_000_000 + random.randrange(5 * _DAY),
            message_type=random.choice(["text", "file"]),
            has=frozenset(random.sample(["file", "link", "poll"], random.randint(0, 2))),
        )

    for _ in range(12):
        new = [fresh() for _ in range(random.randint(0, 120))]
        edited = [
            msgspec.structs.replace(one, text=random.choice(words), has=frozenset())
            for one in random.sample(model.documents, min(len(model.documents), 5))
        ]
        batch = new + edited
        random.shuffle(batch)
        places = {one.place for one in batch}
        gone = [
            one
            for one in random.sample(model.documents, min(len(model.documents), 4))
            if one.place not in places
        ]
        await index.put(batch, [one.place for one in gone], upto=1)
        model.drop(*gone)
        model.put(*batch)
        if random.random() < 0.3:
            await index.tidy()
    await opened.sound()
    while await index.tidy():
        pass
    await opened.sound()

    for _ in range(60):
        some = random.sample(conversations, random.randint(1, len(conversations)))
        within = {key: random.choice([1, 1, 1, 3]) for key in some}
        since = random.choice([None, None, 1_700_000_000_000 + random.randrange(5 * _DAY)])
        query = Query(
            wanted(" ".join(random.choices([*words, "he", "w", "本", ""], k=random.randint(0, 2)))),
            sender_id=random.choice([None, None, *people]),
            message_type=random.choice([None, None, "text", "file"]),
            has=random.choice([frozenset(), frozenset({"link"})]),
            since=since,
            until=random.choice([None, since + _DAY]) if since is not None else None,
        )
        ids = {one.message_id: one for one in model.documents}
        walked = await walk(index, query, within, limit=random.choice([1, 3, 20, 51]))
        expected = model.found(query, within)
        assert [one for one in walked if one in set(expected)] == expected
        # What is too much are runs of signs whose pairs stand apart, and other types when text was asked for;
        # never another place, sender or time.
        for one in set(walked) - set(expected):
            assert query.wanted.runs or (query.message_type == "text" != ids[one].message_type)
            assert query.sender_id in {None, ids[one].sender_id}
            assert ids[one].seq >= within[ids[one].conversation_id]


async def test_what_is_gone_leaves_no_term(opened: Opened) -> None:
    """Deleting may only note that a term is gone; expunging takes it out of what a dump would show."""
    index, key = opened.index, new_id()
    for seq in range(1, 40):
        text = "xylophone zeppelin" if seq % 2 else "quagmire"
        await index.put([document(key, seq, text)], [], upto=seq)
    assert {"xylophone", "zeppelin"} & {term[-9:] for term in await opened.terms()}, "it can be seen"
    await index.put([], [Place(key, seq) for seq in range(1, 40, 2)], upto=40)
    assert await found(index, "xylophone", key) == []
    while await index.expunge():
        pass
    assert not [term for term in await opened.terms() if "ylophone" in term or "eppelin" in term]
    assert [term for term in await opened.terms() if "uagmire" in term]
    assert len(await found(index, "quagmire", key)) == 19
    assert await index.expunge() == 0
    await opened.sound()
