"""presence_set, subscribe_presence, unsubscribe_presence (docs/reference/realtime.md §4)."""

from typing import Annotated

from msgspec import Meta, Struct

from secureconnect.edge.realtime.session.commands import Command, CommandContext
from secureconnect.edge.validation import Uuid
from secureconnect.features.presence.service import PresenceService
from secureconnect.features.presence.socket.watching import MAX_WATCHED, Subscribed, Watches
from secureconnect.features.users.api import Status

__all__ = ["commands"]


class PresenceSet(Struct):
    """The fields of `presence_set`; `offline` makes this device invisible."""

    status: Status
    status_text: Annotated[str, Meta(max_length=140)] | None = None


class WatchedUsers(Struct):
    """The fields of `subscribe_presence` and `unsubscribe_presence`."""

    user_ids: Annotated[list[Uuid], Meta(min_length=1, max_length=MAX_WATCHED)]


class StatusAck(Struct, frozen=True):
    """The `ack` of `presence_set`: the effective status over all devices."""

    status: Status


def commands(presence: PresenceService, watches: Watches) -> list[Command]:
    """The commands about presence."""

    async def presence_set(context: CommandContext, body: PresenceSet) -> StatusAck:
        return StatusAck(await presence.say(context.principal, body.status, body.status_text, socket=True))

    async def subscribe(context: CommandContext, body: WatchedUsers) -> Subscribed:
        return await watches.subscribe(context.session, body.user_ids)

    async def unsubscribe(context: CommandContext, body: WatchedUsers) -> Subscribed:
        watches.unsubscribe(context.session, body.user_ids)
        return Subscribed([], [])

    return [
        Command("presence_set", PresenceSet, presence_set, rate_row="presence", ack=StatusAck),
        Command(
            "subscribe_presence",
            WatchedUsers,
            subscribe,
            rate_row="presence",
            scope="presence:read",
            ack=Subscribed,
        ),
        Command(
            "unsubscribe_presence",
            WatchedUsers,
            unsubscribe,
            rate_row="presence",
            scope="presence:read",
            ack=Subscribed,
        ),
    ]
