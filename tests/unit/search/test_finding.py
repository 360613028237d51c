"""Walks that are given up lose nothing: the rest says where to look on."""

import random
from pathlib import Path

import pytest

from secureconnect.infra.search import sqlite_find
from secureconnect.infra.search.base import Query
from secureconnect.kit.ids import new_id
from secureconnect.kit.words import wanted
from tests.contract.search_worlds import INDEXES, START, Model, document, walk


@pytest.mark.parametrize("conversations", [1, 5, 40])
async def test_impatient_walks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, conversations: int) -> None:
    for name, value in {"_FEW": 4, "_CHUNK": 3, "_STEP": 2, "_LONGEST_STEP": 8, "_PATIENCE": 10}.items():
        monkeypatch.setattr(sqlite_find, name, value)
    random.seed(conversations)
    keys = [new_id() for _ in range(conversations)]
    async with INDEXES["sqlite"](tmp_path) as opened:
        index, model = opened.index, Model()
        await index.begin(START)
        documents = [
            document(random.choice(keys), seq, random.choice(["hello", "hello world", "help", "x"]))
            for seq in range(1, 400)
        ]
        await index.put(documents, [], upto=1)
        model.put(*documents)
        for _ in range(40):
            some = random.sample(keys, random.randint(1, conversations))
            within = {key: random.choice([1, 200, 380, 1000]) for key in some}
            query = Query(
                wanted(random.choice(["hel", "hello", "world", ""])),
                until=random.choice([None, 1_700_000_000_000 + random.randrange(400)]),
            )
            limit = random.choice([1, 5, 30])
            assert await walk(index, query, within, limit=limit) == model.found(query, within)
