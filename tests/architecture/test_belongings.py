"""No feature forgets what it keeps about people: every table is looked after, or listed with a reason."""

import importlib
import pkgutil
from unittest.mock import Mock

from sqlalchemy import String

import secureconnect.features
from secureconnect.app.wiring.privacy import wire_belongings
from secureconnect.infra.database.base import METADATA

#: Columns that name a person, or hold something by which one can be found.
PEOPLE = {
    "actor_id",
    "author_id",
    "banned_by",
    "blocked_id",
    "blocker_id",
    "bot_id",
    "caller_id",
    "created_by",
    "creator_id",
    "deleted_by",
    "identifier_hash",
    "lifted_by",
    "owner_id",
    "pinned_by",
    "reporter_id",
    "requested_by",
    "resolved_by",
    "sender_id",
    "target_id",
    "user_high",
    "user_id",
    "user_low",
}

#: Columns with ids of other things.
THINGS = {
    "audit_id",
    "avatar_file_id",
    "ban_id",
    "call_id",
    "claim_id",
    "connection_id",
    "conversation_id",
    "delivery_id",
    "event_id",
    "export_id",
    "file_id",
    "invite_id",
    "jti",
    "job_id",
    "message_id",
    "notification_id",
    "option_id",
    "part_to",  # a place in the order of ids, forgotten with the part
    "passkey_id",
    "poll_id",
    "process_id",
    "recording_id",
    "reply_to_message_id",
    "report_id",
    "scheduled_id",
    "session_id",
    "thread_root_id",
    "token_id",
    "webhook_id",
}

#: Tables that no feature erases anything from, although they name people.
KEPT = {
    "conversations": "belong to their members; who made one stays as an id, owners change",
    "conversation_invites": "belong to their conversations; who made one stays as an id",
    "pins": "belong to their conversations; those of erased messages go with these",
    "thread_index": "finds replies, erased ones too; who wrote one stays as an id",
}


def load_stores() -> None:
    for name in ("infra.timeline.tables", "infra.outbox.tables", "edge.http.idempotency"):
        importlib.import_module(f"secureconnect.{name}")
    for module in pkgutil.walk_packages(secureconnect.features.__path__, "secureconnect.features."):
        if ".store" in module.name:
            importlib.import_module(module.name)


def looked_after() -> list[str]:
    names = (
        "audit",
        "users",
        "conversations",
        "facts",
        "messages",
        "files",
        "bots",
        "mail",
        "feeder",
        "purge",
    )
    found = wire_belongings(Mock(), **{name: Mock() for name in names})
    assert len({each.name for each in found}) == len(found), "names are those of the receipt"
    return [table for each in found for table in each.tables]


def test_every_id_is_known_to_name_a_person_or_a_thing() -> None:
    load_stores()
    ids = {
        f"{table.name}.{column.name}"
        for table in METADATA.tables.values()
        for column in table.columns
        if isinstance(column.type, String) and column.type.length == 36 and column.name not in PEOPLE | THINGS
    }
    assert ids == set(), "say in this test what they name"


def test_every_table_that_names_people_is_looked_after() -> None:
    load_stores()
    naming = {
        table.name
        for table in METADATA.tables.values()
        if any(column.name in PEOPLE for column in table.columns)
    }
    covered = set(looked_after())
    assert naming - covered - KEPT.keys() == set(), "give the feature `belongings`, or say why not"
    assert covered & KEPT.keys() == set()
    assert KEPT.keys() <= naming
    assert covered <= METADATA.tables.keys()


def test_a_table_has_one_that_looks_after_it() -> None:
    tables = looked_after()
    assert sorted(set(tables)) == sorted(tables)
