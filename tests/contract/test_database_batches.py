"""Databases that do the work of several in one transaction."""

import pytest
from sqlalchemy.exc import IntegrityError

from secureconnect.infra.database.base import BatchDatabase, BatchTx

from .numbers import everything, outcomes, put

_INSERT = "INSERT INTO numbers (value, name) VALUES (?1, ?2)"
_ADD = "UPDATE numbers SET value = value + ?2 WHERE name = ?1"


async def test_one_statement_runs_for_many_rows(store: BatchDatabase) -> None:
    def work(tx: BatchTx) -> None:
        tx.run_many(_INSERT, [(1, "a"), (2, "b"), (3, "é\x00")])
        tx.run_many(_ADD, [("a", 10), ("b", 20), ("nobody", 30)])

    await store.write_locked(work)
    assert await store.read(everything) == {"a": 11, "b": 22, "é\x00": 3}


async def test_a_refused_row_takes_its_transaction_with_it_and_no_other(store: BatchDatabase) -> None:
    await store.write(put("a", 1))

    def refused(tx: BatchTx) -> None:
        tx.run_many(_INSERT, [(1, "b"), (2, "secret"), (3, "a")])

    def stands(tx: BatchTx) -> None:
        tx.run_many(_INSERT, [(1, "c"), (2, "d")])

    results = await outcomes(
        store.write_locked(stands), store.write_locked(refused), store.write(put("e", 5))
    )
    assert results[0] is None
    assert results[2] is None
    with pytest.raises(IntegrityError) as raised:
        raise results[1]
    assert "secret" not in str(raised.value)
    assert await store.read(everything) == {"a": 1, "c": 1, "d": 2, "e": 5}
