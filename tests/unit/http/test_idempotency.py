"""Idempotency keys over the embedded store, on a clock that tests move (contract README §3.6)."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import select

from secureconnect.edge.http.idempotency import Idempotency, Key, Replay, idempotency_keys
from secureconnect.infra.crypto.sealing import Sealer
from secureconnect.infra.database.base import METADATA
from secureconnect.infra.database.sqlite import SqliteDatabase, open_sqlite
from secureconnect.kit.errors import ApiError, ErrorCode
from tests.unit.serving import FakeClock

KEY = Key("caller", "POST", "/v1/invites/x-the-code-of-an-invite/join", "k1")
BODY = b'{"password":"Violet-Kettle-42-Rain"}'
ANSWER = b'{"success":true,"data":{"code":"the-code-of-an-invite"}'


class Place(NamedTuple):
    database: SqliteDatabase
    clock: FakeClock
    keys: Idempotency


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    database = open_sqlite(tmp_path / "secureconnect.db")
    await database.write(lambda tx: METADATA.create_all(tx.conn, tables=[idempotency_keys]))
    clock = FakeClock()
    yield Place(database, clock, Idempotency(database, Sealer(bytes(32)), clock))
    await database.close()


async def refused(place: Place, key: Key = KEY, body: bytes = BODY) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await place.keys.begin(key, body)
    return caught.value


async def test_the_first_answer_comes_again(place: Place) -> None:
    assert await place.keys.begin(KEY, BODY) is None
    await place.keys.finish(KEY, 201, ANSWER)
    for _ in range(2):
        assert await place.keys.begin(KEY, BODY) == Replay(201, ANSWER)


async def test_refusals_are_answers_too(place: Place) -> None:
    assert await place.keys.begin(KEY, BODY) is None
    await place.keys.finish(KEY, 404, b"no")
    assert await place.keys.begin(KEY, BODY) == Replay(404, b"no")


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_what_may_succeed_later_is_forgotten(place: Place, status: int) -> None:
    assert await place.keys.begin(KEY, BODY) is None
    await place.keys.finish(KEY, status, b"later")
    assert await place.keys.begin(KEY, BODY) is None


async def test_a_key_belongs_to_caller_method_and_path(place: Place) -> None:
    assert await place.keys.begin(KEY, BODY) is None
    await place.keys.finish(KEY, 201, ANSWER)
    for other in (
        KEY._replace(caller_id="other"),
        KEY._replace(method="PUT"),
        KEY._replace(path="/v1/conversations"),
        KEY._replace(key="k2"),
    ):
        assert await place.keys.begin(other, BODY) is None


async def test_another_body_is_a_conflict(place: Place) -> None:
    assert await place.keys.begin(KEY, BODY) is None
    assert (await refused(place, body=b"{}")).code is ErrorCode.IDEMPOTENCY_CONFLICT
    await place.keys.finish(KEY, 201, ANSWER)
    assert (await refused(place, body=b"{}")).code is ErrorCode.IDEMPOTENCY_CONFLICT
    assert await place.keys.begin(KEY, BODY) == Replay(201, ANSWER)


async def test_meanwhile_others_are_told_to_wait(place: Place) -> None:
    outcomes = await asyncio.gather(*(place.keys.begin(KEY, BODY) for _ in range(20)), return_exceptions=True)
    assert outcomes.count(None) == 1
    for outcome in outcomes:
        if outcome is not None:
            assert isinstance(outcome, ApiError)
            assert (outcome.code, outcome.retry_after) == (ErrorCode.REQUEST_IN_PROGRESS, 1)
    await place.keys.finish(KEY, 201, ANSWER)
    assert await place.keys.begin(KEY, BODY) == Replay(201, ANSWER)


async def test_the_key_of_a_run_that_died_comes_free_after_a_minute(place: Place) -> None:
    assert await place.keys.begin(KEY, BODY) is None
    place.clock.time += 59
    assert (await refused(place)).code is ErrorCode.REQUEST_IN_PROGRESS
    place.clock.time += 1
    assert (await refused(place, body=b"{}")).code is ErrorCode.IDEMPOTENCY_CONFLICT
    assert await place.keys.begin(KEY, BODY) is None
    assert (await refused(place)).code is ErrorCode.REQUEST_IN_PROGRESS


async def test_answers_are_kept_for_a_day(place: Place) -> None:
    assert await place.keys.begin(KEY, BODY) is None
    await place.keys.finish(KEY, 201, ANSWER)
    place.clock.time += 86_399
    assert await place.keys.begin(KEY, BODY) == Replay(201, ANSWER)
    assert await place.keys.purge() == 0
    place.clock.time += 1
    assert await place.keys.begin(KEY, b"{}") is None
    place.clock.time += 86_401
    assert await place.keys.purge() == 1
    assert await place.keys.begin(KEY, BODY) is None


async def test_nothing_of_path_body_and_answer_can_be_read(place: Place) -> None:
    assert await place.keys.begin(KEY, BODY) is None
    await place.keys.finish(KEY, 201, ANSWER)
    rows = await place.database.read(lambda conn: conn.execute(select(idempotency_keys)).all())
    (row,) = rows
    stored = repr(tuple(row)).encode() + row.body_hash + row.response
    for hidden in (b"code-of-an-invite", b"Violet", hashlib.sha256(BODY).digest()):
        assert hidden not in stored


@pytest.mark.parametrize("text", ["k", "A-Z.a_z:0-9", "x" * 128])
def test_good_keys(text: str) -> None:
    assert Idempotency.check(text) == text


@pytest.mark.parametrize("text", ["", "x" * 129, "a b", "ü", "a/b", "k\n", "\x00"])
def test_bad_keys(text: str) -> None:
    with pytest.raises(ApiError) as caught:
        Idempotency.check(text)
    assert [detail.field for detail in caught.value.details] == ["Idempotency-Key"]
