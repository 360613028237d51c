"""The tables of the search file, and how a message becomes terms in them.

`search_words` is an FTS5 table (https://www.sqlite.org/fts5.html) with nothing but row numbers per term: no
places, no columns. Row numbers are the positions of the port, without gaps worth mentioning, because the
index holds differences between them.

Everything that a search can ask for is a term of the one column, so that one walk through the index answers
all of it at once and stops when the page is full. A message has the terms of its text and some facets: its
conversation, its sender, its type, what it has. Facets begin with five signs that no word can hold. Five,
because prefixes of up to five signs are indexed: so the prefixes of all facets are the same few terms.
"""

from typing import Final

from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.search.base import Document
from secureconnect.kit.words import terms

__all__ = ["FIRST_ID", "VERSION", "conversation_facet", "create", "facets_of", "stored_words"]

#: Raised with every change of the tables below, of facets, or of what a word is.
VERSION: Final = 1

#: Where row numbers start. Messages older than the index count down from here; small numbers make the
#: index small.
FIRST_ID: Final = 1 << 27

_LEAD = "§§§§§"
# Hardly a message is of another type: a facet would cost each of them 19 bytes and leave nothing out.
_USUAL = (None, "text")

_TABLES = ("search_words", "search_texts", "search_documents", "search_conversations", "search_days")

# What is beyond ASCII counts as part of a term, so it is up to us to put blanks there; within ASCII
# everything but letters and digits separates, and case does not count.
_SCHEMA = """
CREATE TABLE search_conversations (
    number INTEGER PRIMARY KEY, conversation_id TEXT NOT NULL UNIQUE, first_seq INTEGER NOT NULL
);
CREATE TABLE search_documents (
    document_id INTEGER PRIMARY KEY, message_id TEXT NOT NULL, conversation INTEGER NOT NULL,
    seq INTEGER NOT NULL, sent_at INTEGER NOT NULL, UNIQUE (conversation, seq)
);
-- FTS5 must be told the terms that it shall forget.
CREATE TABLE search_texts (document_id INTEGER PRIMARY KEY, words TEXT NOT NULL);
CREATE VIRTUAL TABLE search_words USING fts5 (
    words, content = 'search_texts', content_rowid = 'document_id', tokenize = 'ascii',
    prefix = '1 2 3 4 5', detail = 'none', columnsize = 0
);
-- Upkeep merges what has the same size from two segments on.
INSERT INTO search_words (search_words, rank) VALUES ('usermerge', 2);
-- The lowest and highest row number of each day (UTC) that messages were sent on.
CREATE TABLE search_days (day INTEGER PRIMARY KEY, first_id INTEGER NOT NULL, last_id INTEGER NOT NULL);
CREATE TABLE search_progress (one INTEGER PRIMARY KEY, upto INTEGER NOT NULL, older_than TEXT)
"""


def create(tx: WriteTx) -> None:
    """Drop what is there and make empty tables."""
    for table in (*_TABLES, "search_progress"):
        tx.run(f"DROP TABLE IF EXISTS {table}")
    for statement in _SCHEMA.split(";\n"):
        tx.run(statement)
    tx.run(f"PRAGMA user_version = {VERSION}")


def conversation_facet(number: int) -> str:
    """The term for a conversation."""
    return f"{_LEAD}c{number}"


def facets_of(sender_id: str | None, message_type: str | None, has: frozenset[str]) -> list[str]:
    """The terms for everything but text and conversation."""
    found = [f"{_LEAD}h{feature}" for feature in sorted(has)]
    if sender_id is not None:
        # Twelve digits of a random id; should two users share them, the message itself decides.
        found.append(f"{_LEAD}s{sender_id[:8]}{sender_id[9:13]}")
    if message_type not in _USUAL:
        found.append(f"{_LEAD}t{message_type}")
    return found


def stored_words(document: Document, conversation: int) -> str:
    """The terms of a message in the conversation of this number, in the form that the index splits.

    ASCII text is split by the index itself, just as `kit.words` would.
    """
    text = document.text
    if not text.isascii():
        text = " ".join(sorted(terms(text)))
    facets = facets_of(document.sender_id, document.message_type, document.has)
    return " ".join((*facets, conversation_facet(conversation), text))
