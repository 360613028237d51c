"""What a poll may be, and who may do what with it (docs/reference/rules.md §10)."""

from collections.abc import Collection, Sequence
from typing import Final, Literal

from msgspec import Struct

from secureconnect.features.conversations.api import Facts
from secureconnect.kit.errors import ApiError, Detail, ErrorCode
from secureconnect.kit.text import TextFault, clean_name, fold

__all__ = [
    "MAX_OPTIONS",
    "OPAQUE_TEXT",
    "CloseReason",
    "Kind",
    "PollRecord",
    "Texts",
    "check_choice",
    "check_open",
    "check_visible",
    "clean_texts",
    "may_manage",
    "percent",
]

Kind = Literal["single", "multi"]
CloseReason = Literal["closed", "expired"]

MAX_OPTIONS: Final = 10
#: The longest question or option of an encrypted poll, in code points.
OPAQUE_TEXT: Final = 4096
_QUESTION: Final = 500
_OPTION: Final = 200
_SOONEST_MS: Final = 60_000
_LATEST_MS: Final = 365 * 24 * 3600 * 1000


class PollRecord(Struct, frozen=True):
    """A poll as stored. Times in milliseconds since the epoch."""

    poll_id: str
    conversation_id: str
    creator_id: str
    question: str
    poll_type: Kind
    allow_vote_change: bool
    anonymous: bool
    is_encrypted: bool
    expires_at: int | None
    closed_at: int | None
    close_reason: CloseReason | None
    total_votes: int
    total_voters: int
    seq: int
    created_at: int
    updated_at: int


class Texts(Struct, frozen=True):
    """The question and the options as they are stored; `keys` tell options apart."""

    question: str
    options: list[str]
    keys: list[str]


def clean_texts(
    question: str, options: Sequence[str], *, is_encrypted: bool, expires_at: int | None, now: int
) -> Texts:
    """Texts that may be stored. Encrypted ones are opaque and stay as they are.

    Raises:
        ApiError: `VALIDATION_ERROR` that names every faulty field, `expires_at` among them.
    """
    faults: list[Detail] = []
    texts: list[str] = []
    named = [("question", question, _QUESTION)]
    named += [(f"options[{place}]", option, _OPTION) for place, option in enumerate(options)]
    for field, text, longest in named:
        limit = OPAQUE_TEXT if is_encrypted else longest
        try:
            kept = text if is_encrypted else clean_name(text)
        except TextFault as fault:
            faults.append(Detail(field, str(fault)))
            kept = text
        else:
            if not kept:
                faults.append(Detail(field, "is blank"))
            elif len(kept) > limit:
                faults.append(Detail(field, f"at most {limit} characters"))
        texts.append(kept)
    keys = texts[1:] if is_encrypted else [fold(text) for text in texts[1:]]
    for place, key in enumerate(keys):
        if key in keys[:place]:
            faults.append(Detail(f"options[{place}]", "is the same as another option"))
    if expires_at is not None and not now + _SOONEST_MS <= expires_at <= now + _LATEST_MS:
        faults.append(Detail("expires_at", "must be between 60 seconds and 365 days ahead"))
    if faults:
        raise ApiError(ErrorCode.VALIDATION_ERROR, "The request is not valid.", details=faults)
    return Texts(texts[0], texts[1:], keys)


def check_visible(facts: Facts, user_id: str, poll: PollRecord) -> None:
    """Raises `FORBIDDEN` when the poll is older than what the member may read."""
    if poll.seq < facts.members[user_id].visible_from:
        raise ApiError(ErrorCode.FORBIDDEN, "This poll is not open to you.")


def check_open(poll: PollRecord, now: int) -> None:
    """Raises `POLL_CLOSED` or `POLL_EXPIRED` when votes count no more.

    Time decides, not the job that tells of it.
    """
    if poll.close_reason == "closed":
        raise ApiError(ErrorCode.POLL_CLOSED, "The poll is closed.")
    if poll.close_reason == "expired" or (poll.expires_at is not None and poll.expires_at <= now):
        raise ApiError(ErrorCode.POLL_EXPIRED, "The poll has ended.")


def check_choice(poll: PollRecord, chosen: Collection[str], existing: Collection[str]) -> None:
    """Raises when these options may not be chosen together.

    Raises:
        ApiError: `NOT_FOUND` for an option of another poll; `MULTIPLE_OPTIONS_NOT_ALLOWED`.
    """
    if not set(chosen) <= set(existing):
        raise ApiError(ErrorCode.NOT_FOUND, "There is no such option in this poll.")
    if poll.poll_type == "single" and len(chosen) > 1:
        raise ApiError(ErrorCode.MULTIPLE_OPTIONS_NOT_ALLOWED, "This poll takes one answer.")


def may_manage(facts: Facts, user_id: str, poll: PollRecord) -> bool:
    """Whether the member may close and delete the poll."""
    return poll.creator_id == user_id or facts.members[user_id].role == "admin"


def percent(votes: int, total: int) -> float:
    """The share of `votes` in `total`, 0-100 with two decimals; 0 without votes."""
    return round(100 * votes / total, 2) if total else 0.0
