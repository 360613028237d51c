"""How users become members of a group that exists."""

from collections.abc import Sequence
from typing import Literal

from secureconnect.features.conversations import rules, store
from secureconnect.features.conversations.rules import ConversationLimits
from secureconnect.features.conversations.service.facts import FactsCache
from secureconnect.features.conversations.service.journal import Caller, Journal
from secureconnect.features.conversations.store import NewMember, Record
from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.events import MemberAdded

__all__ = ["Admission"]


class Admission:
    """Lets users in whom the rules allow in."""

    def __init__(self, clock: Clock, facts: FactsCache, journal: Journal, limits: ConversationLimits) -> None:
        self._clock = clock
        self._facts = facts
        self._journal = journal
        self._limits = limits

    def admit_in(
        self,
        tx: WriteTx,
        caller: Caller,
        record: Record,
        user_ids: Sequence[str],
        *,
        by: str,
        via: Literal["added", "invite"],
    ) -> None:
        """Add users that are no members yet, one event each; marks and `joined` history start there.

        Raises:
            ApiError: `LIMIT_REACHED` for the group or for one of the users.
        """
        counts = store.count_conversations(tx.conn, user_ids)
        rules.check_room(record.member_count, user_ids, counts, self._limits)
        key, now = record.conversation_id, self._clock.now()
        whole = record.settings.history_visibility == "all"
        self._facts.changed_in(tx, key)
        members = []
        for user_id in user_ids:
            event = MemberAdded(user_id=user_id, by=by, via=via, role="member")
            seq = self._journal.append_in(tx, key, caller.user_id, event, now)
            members.append(NewMember(user_id, "member", seq, 1 if whole else seq))
            self._journal.record_in(tx, "member_added", caller, key, {"user_id": user_id, "via": via})
        store.insert_members(tx, key, members, now)
        store.count_members(tx, key, len(members))
        store.forget_removed(tx, key, user_ids)
