"""CockroachDB's own parser reads every statement that a server gets. What it does with them is not tested."""

import ast
import asyncio
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

import secureconnect
from secureconnect.infra.database.postgres import PostgresDatabase
from secureconnect.infra.database.postgres_connection import Opener
from secureconnect.infra.database.postgres_parameters import numbered
from secureconnect.infra.database.postgres_url import read_url
from secureconnect.infra.search.base import Progress, Query
from secureconnect.infra.search.postgres import PostgresSearchIndex
from secureconnect.infra.timeline import postgres_append
from secureconnect.infra.timeline.postgres import PostgresTimeline
from secureconnect.infra.timeline.relational_logs import RelationalLogs
from secureconnect.kit.ids import new_id
from secureconnect.kit.words import wanted
from secureconnect.migrations import runner

from .database_worlds import StartServer
from .search_worlds import document, everywhere
from .timeline_world import World, change, send

_PARSER = Path(__file__).parent / "cockroach"
_VERBS = r"WITH \w|SELECT \w|INSERT INTO \w|UPDATE \w+ SET|DELETE FROM \w|CREATE (TABLE|INDEX|UNIQUE)"
_STATEMENT = re.compile(rf"\s*({_VERBS})")
_NAMED = re.compile(r"(?<!:):[a-z]\w*")
_EMBEDDED = re.compile(r"sqlite|cassandra|/(client|edge)/")
_BUILD_SECONDS = 1800  # once per machine; Go keeps what it compiled

# The driver's own, and what only a PostgreSQL is asked.
_OTHERS = re.compile(r"pg_catalog|current_schema|standard_conforming|pg_database_size|^;$|typinfo|pg_sleep")


@pytest.fixture(scope="session")
def parser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that reads statements."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed: CockroachDB's parser cannot be built")
    program = tmp_path_factory.mktemp("cockroach") / "parse"
    built = subprocess.run(
        [go, "build", "-o", str(program), "."],
        cwd=_PARSER,
        capture_output=True,
        text=True,
        timeout=_BUILD_SECONDS,
        check=False,
    )
    if built.returncode != 0 and "proxy" in built.stderr:
        pytest.skip("Go cannot fetch CockroachDB's parser here")
    assert built.returncode == 0, built.stderr
    return program


def refused(parser: Path, statements: set[str]) -> str:
    """What the parser says about those that it cannot read."""
    text = "\0".join(sorted(statements))
    return subprocess.run([str(parser)], input=text, capture_output=True, text=True, check=False).stdout


def test_the_parser_refuses(parser: Path) -> None:
    assert "SELEC 1" in refused(parser, {"SELEC 1", "SELECT 1"})


def test_written_statements(parser: Path) -> None:
    """Every statement that stands in the code as a text."""
    written = set(_written())
    assert len(written) > 50
    assert refused(parser, written) == ""


def _written() -> Iterator[str]:
    root = Path(secureconnect.__file__).parent
    for file in root.rglob("*.py"):
        if _EMBEDDED.search(str(file.relative_to(root.parent))):
            continue
        tree = ast.parse(file.read_text())
        # Statements that are put together are seen when they are emitted.
        joined = (node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr))
        pieces = {id(part) for node in joined for part in node.values}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in pieces:
                continue
            if _STATEMENT.match(node.value) and "{" not in node.value:
                yield _NAMED.sub("$1", numbered(node.value)[0])
    yield postgres_append._APPEND


async def test_emitted_statements(
    parser: Path, postgres_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every statement that migrations, timeline and search send, as it reaches the server."""
    emitted: set[str] = set()
    connect = Opener._connect

    async def watched(opener: Opener) -> object:
        connection = await connect(opener)
        connection.add_query_logger(lambda record: emitted.add(record.query))
        return connection

    def noted(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        emitted.add(statement)

    monkeypatch.setattr(Opener, "_connect", watched)
    event.listen(Engine, "before_cursor_execute", noted)
    url = await asyncio.to_thread(lambda: postgres_server().create_database())
    database = PostgresDatabase(read_url(url), pool_min=0, acquire_timeout=30, statement_timeout=120)
    for step in (runner.upgrade, lambda conn: runner.downgrade(conn, len(runner.steps())), runner.upgrade):
        await database.write(lambda tx, step=step: step(tx.conn))  # type: ignore[misc]
    await _talk(World(database), database)
    await _search(PostgresSearchIndex(database))
    await database.close()
    event.remove(Engine, "before_cursor_execute", noted)
    ours = {statement for statement in emitted if not _OTHERS.search(statement)}
    assert len(ours) > 80
    assert refused(parser, ours) == ""


async def _talk(world: World, database: PostgresDatabase) -> None:
    world.timeline = timeline = PostgresTimeline(database, world.listen)
    conversation, sender = await world.open(), new_id()
    await asyncio.gather(
        *(
            timeline.append(send(conversation, sender_id=sender, client_message_id=str(number % 3)), guard=0)
            for number in range(6)
        )
    )
    await database.write(lambda tx: timeline.append_in(tx, change(conversation)))
    await world.log(conversation)
    await timeline.messages(conversation, limit=10, viewer_id=sender)
    await timeline.last_messages({conversation: 1})
    await timeline.unread(sender, {conversation: 0}, cap=10)
    await _move(RelationalLogs(database))
    await timeline.purge_dedup(2**60)
    await database.write(lambda tx: timeline.trim_in(tx, conversation, 2**60, 2))
    await timeline.erase(conversation, 100)


async def _move(logs: RelationalLogs) -> None:
    heads = [head async for some in logs.heads() for head in some]
    pages = [await logs.page(head, 0, 100) for head in heads]
    await logs.clear()
    for head, page in zip(heads, pages, strict=True):
        await logs.put_page(head.conversation_id, page)
    await logs.put_heads(heads)


async def _search(index: PostgresSearchIndex) -> None:
    key = new_id()
    await index.begin(Progress(0, None))
    await index.put([document(key, 2, "hello wörld")], [], upto=1)
    await index.put_older([document(key, 1, "older")], older_than=None)
    await index.find(Query(wanted=wanted("hello")), everywhere(key), limit=5)
    await index.find(Query(), everywhere(key), limit=5)
    await index.conversations(after=None, limit=5)
    await index.forget(key, None, 10)
