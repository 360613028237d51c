"""What a search costs on a server with a long history, beside the bare index.

    python -m bench.search [--quick] [--messages N] [--searches N]

A server with 1,000,000 messages in 5,000 conversations, its rate limits off. Four kinds of people search: in
a few conversations, in a hundred, in a thousand, in all of them. Each search is one HTTP request over a kept
connection, timed by the client; the same terms are asked of SQLite's FTS5 on the same file, without regard
to who may see what, in turns with them. What people type comes from the words of the messages themselves.

The index is built by the server, from the messages that it finds at its start; that is timed too.
"""

import argparse
import http.client
import json
import os
import random
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

from bench.corpus import Language, Room, fill, languages
from bench.measure import median, table, versions
from bench.population import Account, populate
from bench.product import ENVIRONMENT, running
from bench.verdict import Verdict
from secureconnect.kit.ids import new_id
from secureconnect.kit.words import wanted

_ROOMS = 5_000
_SEED = 7
_PAGE = 20
_BUILT = b"every message is in the search index"


class Kind(NamedTuple):
    """People who are in so many conversations."""

    name: str
    rooms: int
    people: int


_KINDS = (
    Kind("in 8 conversations", 8, 400),
    Kind("in 100", 100, 40),
    Kind("in 1,000", 1_000, 4),
    Kind("in all", _ROOMS, 1),
)


class Person(NamedTuple):
    """Somebody who searches."""

    account: Account
    rooms: list[Room]


class Search(NamedTuple):
    """What somebody types, and where else it narrows the search."""

    query: str
    params: dict[str, str]


def _rooms(accounts: Sequence[Account], chance: random.Random) -> tuple[list[Room], dict[str, list[Person]]]:
    """Every conversation with its members, and the people of each kind."""
    members: list[list[str]] = [[] for _ in range(_ROOMS)]
    ids = [new_id() for _ in range(_ROOMS)]
    chosen: dict[str, list[tuple[Account, list[int]]]] = {}
    waiting = list(accounts)
    for kind in _KINDS:
        for _ in range(kind.people):
            account, places = waiting.pop(), chance.sample(range(_ROOMS), kind.rooms)
            chosen.setdefault(kind.name, []).append((account, places))
            for place in places:
                members[place].append(account.user_id)
    rooms = [Room(one, tuple(inside)) for one, inside in zip(ids, members, strict=True)]
    people = {
        name: [Person(account, [rooms[place] for place in places]) for account, places in found]
        for name, found in chosen.items()
    }
    return rooms, people


def _typed(spoken: Sequence[Language], chance: random.Random) -> dict[str, Callable[[Person], Search]]:
    """The kinds of searches."""

    def word() -> str:
        return chance.choice(spoken).word(chance)

    def common() -> str:
        return chance.choice(chance.choice(spoken).words[:20])

    def room(person: Person) -> dict[str, str]:
        return {"conversation_id": chance.choice(person.rooms).conversation_id}

    def two() -> str:
        language = chance.choice(spoken)
        return f"{language.word(chance)} {language.word(chance)}"

    return {
        "a word": lambda _: Search(word(), {}),
        "one of the 20 commonest words": lambda _: Search(common(), {}),
        "a rare word": lambda _: Search(chance.choice(spoken[0].words[-20_000:]), {}),
        "two words": lambda _: Search(two(), {}),
        "the first letter": lambda _: Search(word()[:1], {}),
        "the first three letters": lambda _: Search(word()[:3], {}),
        "a word of one conversation": lambda person: Search(word(), room(person)),
        "three letters in one conversation": lambda person: Search(word()[:3], room(person)),
        "a word and has:link": lambda _: Search(f"{word()} has:link", {}),
        "has:link": lambda _: Search("has:link", {}),
        "a word from:me": lambda _: Search(f"{word()} from:me", {}),
        "a word before a day long ago": lambda _: Search(f"{word()} before:2023-12-10", {}),
        "a word after a day long ago": lambda _: Search(f"{word()} after:2023-12-10", {}),
    }


class Client:
    """One kept connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def search(self, token: str, search: Search) -> tuple[float, int]:
        """Seconds, and how many hits the page has."""
        path = "/v1/messages/search?" + urlencode({"query": search.query, "limit": _PAGE, **search.params})
        started = time.perf_counter()
        self._connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = self._connection.getresponse()
        body = answer.read()
        seconds = time.perf_counter() - started
        if answer.status != 200:
            raise RuntimeError(body.decode())
        return seconds, len(json.loads(body)["data"]["messages"])


def _bare(index: sqlite3.Connection, text: str) -> float:
    """Seconds for the newest messages with these words, whoever may see them."""
    asked = wanted(" ".join(part for part in text.split() if ":" not in part))
    terms = [f'"{prefix}"*' for prefix in asked.prefixes] + [f'"{pair}"' for pair in asked.pairs]
    if not terms:
        terms = ['"§§§§§hlink"']
    started = time.perf_counter()
    index.execute(
        "SELECT rowid FROM search_words WHERE search_words MATCH ? ORDER BY rowid DESC LIMIT ?",
        (" AND ".join(terms), _PAGE + 1),
    ).fetchall()
    return time.perf_counter() - started


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def _wait_for_index(data_dir: Path) -> None:
    log = data_dir / "server.log"
    while _BUILT not in log.read_bytes():
        time.sleep(0.1)


def measure(folder: Path, messages: int, searches: int) -> list[Verdict]:
    """Print what was measured; what became of the target."""
    chance = random.Random(_SEED)
    data_dir = folder / "data"
    accounts = populate(data_dir, ENVIRONMENT, sum(kind.people for kind in _KINDS))
    spoken = languages(chance)
    rooms, people = _rooms(accounts, chance)
    started = time.perf_counter()
    fill(data_dir, ENVIRONMENT, rooms, messages=messages, spoken=spoken, seed=_SEED)
    print(
        f"{messages:,} messages in {len(rooms):,} conversations: {time.perf_counter() - started:.0f} s",
        flush=True,
    )
    with running(data_dir) as product:
        started = time.perf_counter()
        _wait_for_index(data_dir)
        seconds = time.perf_counter() - started
        size = sum(file.stat().st_size for file in data_dir.glob("search.db*")) / 1e6
        database = sum(file.stat().st_size for file in data_dir.glob("secureconnect.db*")) / 1e6
        print(
            f"index built in {seconds:.0f} s beside an idle server ({messages / seconds:,.0f} messages/s):"
            f" {size:.0f} MB, database {database:.0f} MB",
            flush=True,
        )
        kinds = _typed(spoken, chance)
        client = Client(product.port)
        every: list[float] = []
        bare: list[float] = []
        rows: list[list[object]] = []
        by_person: list[list[object]] = []
        times: dict[tuple[str, str], list[float]] = {}
        hits: dict[str, list[int]] = {}
        with closing(sqlite3.connect(f"{(data_dir / 'search.db').as_uri()}?mode=ro", uri=True)) as index:
            index.execute("PRAGMA cache_size = -8192")
            for turn in range(searches + 1):
                for who, some in people.items():
                    for what, typed in kinds.items():
                        person = chance.choice(some)
                        search = typed(person)
                        took, found = client.search(person.account.token, search)
                        reference = _bare(index, search.query)
                        if turn:  # the first warms up
                            times.setdefault((who, what), []).append(took)
                            hits.setdefault(what, []).append(found)
                            every.append(took)
                            bare.append(reference)
        milli = 1e3
        for what in kinds:
            of = [took for (_, one), some_times in times.items() if one == what for took in some_times]
            rows.append(
                [what, median(of) * milli, _quantile(of, 0.95) * milli, max(of) * milli, median(hits[what])]
            )
        for who in people:
            of = [took for (one, _), some_times in times.items() if one == who for took in some_times]
            by_person.append([who, median(of) * milli, _quantile(of, 0.95) * milli, max(of) * milli])
        rows.append(["all", median(every) * milli, _quantile(every, 0.95) * milli, max(every) * milli, ""])
        rows.append(["bare FTS5", median(bare) * milli, _quantile(bare, 0.95) * milli, max(bare) * milli, ""])
        print(
            table(
                f"\nSearches over HTTP, ms ({len(every)} of them)", ["", "p50", "p95", "most", "hits"], rows
            )
        )
        print(table("\nBy who searches, ms", ["", "p50", "p95", "most"], by_person))
        ratio = _quantile(every, 0.95) / _quantile(bare, 0.95)
        print(f"\np95 of searches / p95 of bare FTS5: {ratio:.1f}; p50: {median(every) / median(bare):.1f}")
    return [
        Verdict(f"ms at p95 of a search over {messages:,} messages", _quantile(every, 0.95) * milli, 50.0)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.search",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="50,000 messages and few searches")
    parser.add_argument("--messages", type=int)
    parser.add_argument("--searches", type=int, help="of each kind by each kind of people")
    parser.add_argument(
        "--directory", type=Path, help="where the data go; it needs 1.5 GB per million messages"
    )
    arguments = parser.parse_args()
    messages = arguments.messages or (50_000 if arguments.quick else 1_000_000)
    searches = arguments.searches or (5 if arguments.quick else 40)
    print(
        versions("secureconnect", "uvicorn", "sqlalchemy"),
        f"SQLite {sqlite3.sqlite_version},",
        os.uname().machine,
    )
    folder = Path(tempfile.mkdtemp(prefix="secureconnect-bench-", dir=arguments.directory))
    try:
        verdicts = measure(folder, messages, searches)
    finally:
        shutil.rmtree(folder)
    print()
    print(table("Targets", ["", "target", "reached", ""], [verdict.row() for verdict in verdicts]))


if __name__ == "__main__":
    main()
