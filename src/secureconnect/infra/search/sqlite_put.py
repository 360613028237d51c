"""Writing the index. Each step is one statement for a whole batch of messages: the interpreter's lock is
released while a statement runs, and taken back only once for all of them, so senders hardly notice.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec

from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.search.base import Document, Place
from secureconnect.infra.search.sqlite_schema import FIRST_ID, stored_words

__all__ = ["drop", "forget", "put", "put_older", "set_older_than", "set_upto"]

_DAY = 24 * 3600 * 1000

_CONVERSATIONS = (
    "INSERT INTO search_conversations (conversation_id, first_seq)"
    " SELECT value, 1 FROM json_each(?) WHERE true ON CONFLICT (conversation_id) DO NOTHING"
)
_NUMBERS = (
    "SELECT json_group_array(json_array(conversation_id, number)) FROM search_conversations"
    " WHERE conversation_id IN (SELECT value FROM json_each(?))"
)
# A row of a batch is [conversation's number, seq, message_id, sent_at, words].
_KNOWN = (
    "SELECT json_group_array(json_array(r.key, d.document_id)) FROM json_each(?) AS r"
    " CROSS JOIN search_documents AS d ON d.conversation = r.value->>0 AND d.seq = r.value->>1"
)
# Known ones: a row is [document_id, message_id, sent_at, words].
_SAME = (
    "SELECT json_group_array(d.document_id) FROM json_each(?) AS r"
    " CROSS JOIN search_documents AS d ON d.document_id = r.value->>0 AND d.message_id = r.value->>1"
    " CROSS JOIN search_texts AS t ON t.document_id = d.document_id AND t.words = r.value->>3"
)
_AT = (
    "SELECT json_group_array(d.document_id)"
    " FROM json_each(?) AS r CROSS JOIN search_conversations AS c ON c.conversation_id = r.value->>0"
    " CROSS JOIN search_documents AS d ON d.conversation = c.number AND d.seq = r.value->>1"
)
# New ones: ?2 is the number of the first row. Rows ascend, so that pages are filled one after the other.
_DOCUMENTS = (
    "INSERT INTO search_documents (document_id, message_id, conversation, seq, sent_at)"
    " SELECT ?2 + key, value->>2, value->>0, value->>1, value->>3 FROM json_each(?1)"
)
_TEXTS = "INSERT INTO search_texts (document_id, words) SELECT ?2 + key, value->>4 FROM json_each(?1)"
_WORDS = (
    "INSERT INTO search_words (rowid, words) SELECT document_id, words FROM search_texts"
    " WHERE document_id BETWEEN ? AND ? ORDER BY document_id"
)
# Id and time of a message change only when a database was put back to an earlier state and went another way
# from there.
_RENAME = (
    "UPDATE search_documents SET message_id = r.value->>1, sent_at = r.value->>2"
    " FROM json_each(?) AS r WHERE document_id = r.value->>0"
)
_NEW_TEXTS = "INSERT INTO search_texts (document_id, words) SELECT value->>0, value->>3 FROM json_each(?)"
_NEW_WORDS = (
    "INSERT INTO search_words (rowid, words) SELECT document_id, words FROM search_texts"
    " WHERE document_id IN (SELECT value->>0 FROM json_each(?)) ORDER BY document_id"
)
_DAYS = (
    "INSERT INTO search_days (day, first_id, last_id)"
    " SELECT value->>0, value->>1, value->>2 FROM json_each(?) WHERE true ON CONFLICT (day) DO UPDATE"
    " SET first_id = min(first_id, excluded.first_id), last_id = max(last_id, excluded.last_id)"
)
_FORGET_WORDS = (
    "INSERT INTO search_words (search_words, rowid, words) SELECT 'delete', document_id, words"
    " FROM search_texts WHERE document_id IN (SELECT value FROM json_each(?)) ORDER BY document_id"
)
_FORGET = "DELETE FROM {} WHERE document_id IN (SELECT value FROM json_each(?))"
_NEWEST = "SELECT max(document_id) FROM search_documents"
_OLDEST = "SELECT min(document_id) FROM search_documents"

_Row = tuple[int, int, str, int, str]

_numbers = msgspec.json.Decoder(list[tuple[str, int]])
_known = msgspec.json.Decoder(list[tuple[int, int]])
_ids = msgspec.json.Decoder(set[int])


def put(tx: WriteTx, documents: Sequence[Document]) -> None:
    """Add those that are new, on top; replace the others where they are."""
    if not documents:
        return
    rows = _rows(tx, documents)
    known = _stored(tx, rows)
    _replace(tx, [(document_id, *rows[at][2:]) for at, document_id in known.items()])
    ((newest,),) = tx.run(_NEWEST)
    _add(tx, [row for at, row in enumerate(rows) if at not in known], (newest or FIRST_ID - 1) + 1)


def put_older(tx: WriteTx, documents: Sequence[Document]) -> None:
    """Add those that are new below everything else."""
    if not documents:
        return
    rows = _rows(tx, documents)
    known = _stored(tx, rows)
    new = [row for at, row in enumerate(rows) if at not in known]
    ((oldest,),) = tx.run(_OLDEST)
    _add(tx, new[::-1], (oldest or FIRST_ID) - len(new))


def drop(tx: WriteTx, gone: Collection[Place]) -> None:
    """Remove the documents of these places, where there are any."""
    if gone:
        ((ids,),) = tx.run(_AT, (_json(list(gone)),))
        _remove(tx, ids)


def forget(tx: WriteTx, conversation_id: str, before_seq: int | None, limit: int) -> int:
    """See `SearchIndex.forget`."""
    numbers = tx.run("SELECT number FROM search_conversations WHERE conversation_id = ?", (conversation_id,))
    if not numbers:
        return 0
    ((count, ids),) = tx.run(
        "SELECT count(*), json_group_array(document_id) FROM (SELECT document_id FROM search_documents"
        " WHERE conversation = ? AND (? IS NULL OR seq < ?) ORDER BY seq LIMIT ?)",
        (*numbers[0], before_seq, before_seq, limit),
    )
    _remove(tx, ids)
    if count < limit:
        if before_seq is None:
            tx.run("DELETE FROM search_conversations WHERE number = ?", numbers[0])
        else:
            tx.run(
                "UPDATE search_conversations SET first_seq = ? WHERE number = ?", (before_seq, *numbers[0])
            )
    return int(count)


def set_upto(tx: WriteTx, upto: int) -> None:
    """Note how far the index got with what is new."""
    tx.run("UPDATE search_progress SET upto = ?", (upto,))


def set_older_than(tx: WriteTx, older_than: str | None) -> None:
    """Note how far the index got with what was there before."""
    tx.run("UPDATE search_progress SET older_than = ?", (older_than,))


def _rows(tx: WriteTx, documents: Sequence[Document]) -> list[_Row]:
    """One row per place, the last word about it, in the order of their first mention."""
    latest = {document.place: document for document in documents}.values()
    ids = _json(list({document.conversation_id for document in latest}))
    tx.run(_CONVERSATIONS, (ids,))
    ((found,),) = tx.run(_NUMBERS, (ids,))
    numbers = dict(_numbers.decode(found))
    return [
        (number, one.seq, one.message_id, one.sent_at, stored_words(one, number))
        for one in latest
        for number in (numbers[one.conversation_id],)
    ]


def _stored(tx: WriteTx, rows: Sequence[_Row]) -> dict[int, int]:
    """Which of `rows` have documents: place in the list → its id."""
    ((found,),) = tx.run(_KNOWN, (_json([row[:2] for row in rows]),))
    return dict(_known.decode(found))


def _replace(tx: WriteTx, known: Sequence[tuple[int, str, int, str]]) -> None:
    """Let documents say what these rows say, where they say something else."""
    if not known:
        return
    ((found,),) = tx.run(_SAME, (_json(known),))
    same = _ids.decode(found)
    changed = [row for row in known if row[0] not in same]
    if not changed:
        return
    ids, batch = _json([row[0] for row in changed]), _json(changed)
    tx.run(_FORGET_WORDS, (ids,))
    tx.run(_FORGET.format("search_texts"), (ids,))
    tx.run(_RENAME, (batch,))
    tx.run(_NEW_TEXTS, (batch,))
    tx.run(_NEW_WORDS, (batch,))
    _note_days(tx, [(row[0], row[2]) for row in changed])


def _add(tx: WriteTx, rows: Sequence[_Row], first_id: int) -> None:
    if not rows:
        return
    batch = _json(rows)
    tx.run(_DOCUMENTS, (batch, first_id))
    tx.run(_TEXTS, (batch, first_id))
    tx.run(_WORDS, (first_id, first_id + len(rows) - 1))
    _note_days(tx, [(first_id + at, row[3]) for at, row in enumerate(rows)])


def _note_days(tx: WriteTx, sent: Iterable[tuple[int, int]]) -> None:
    days: dict[int, list[int]] = {}
    for document_id, sent_at in sent:
        days.setdefault(sent_at // _DAY, []).append(document_id)
    tx.run(_DAYS, (_json([(day, min(ids), max(ids)) for day, ids in days.items()]),))


def _remove(tx: WriteTx, ids: str) -> None:
    """`ids` is a JSON array."""
    if ids == "[]":
        return
    tx.run(_FORGET_WORDS, (ids,))
    for table in ("search_texts", "search_documents"):
        tx.run(_FORGET.format(table), (ids,))


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
