"""Settings about how long things about people stay."""

from typing import Annotated

from secureconnect.kit.settings import Section, about

__all__ = ["PrivacySettings", "RetentionSettings"]


class PrivacySettings(Section, frozen=True):
    """Accounts that are deleted."""

    erase_delay_days: Annotated[
        int, about("time between the deletion of an account and its erasure", unit="d", ge=0, le=365)
    ] = 7


class RetentionSettings(Section, frozen=True):
    """How long messages stay where a conversation does not say it, with 0 for good; and other things."""

    default_days: Annotated[
        int, about("age at which events of conversations without an own limit go", unit="d", ge=0, le=36_500)
    ] = 0
    max_days: Annotated[
        int, about("no conversation keeps its events for longer; 0 means no bound", unit="d", ge=0, le=36_500)
    ] = 0
    notifications_days: Annotated[
        int, about("age at which entries of inboxes go", unit="d", ge=1, le=36_500)
    ] = 90
    push_token_days: Annotated[
        int, about("how long a device that takes no pushes is remembered", unit="d", ge=1, le=36_500)
    ] = 180
    push_delivery_days: Annotated[
        int, about("how long it is known what became of pushes", unit="d", ge=1, le=365)
    ] = 7
