"""What this process follows: the memberships of its connected users, as lanes.

A user's first admission subscribes to `user:<id>` and to `conv:<id>` of each conversation, and reads the
memberships after that, so that nothing falls between. `epoch` orders the two: a lane may take its position,
and a user may join a lane, only from a read that began after the lane's subscription. The user's last socket
ends the interest.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

from secureconnect.edge.realtime.background import Background
from secureconnect.edge.realtime.base import EventSource, Memberships, Standing
from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.fanout.lane import Lane, Pace, newcomers
from secureconnect.edge.realtime.fanout.local_user import LocalUser
from secureconnect.edge.realtime.metrics import RealtimeMetrics
from secureconnect.infra.bus.base import Bus, Handler
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError
from secureconnect.kit.hints import conversation_channel, user_channel

__all__ = ["Interest"]

log = get_logger()


class Interest:
    """The local users, the lanes of their conversations, and the subscriptions that feed them.

    Args:
        on_user: handles hints of `user:` channels.
        on_conversation: handles hints of `conv:` channels.
    """

    def __init__(
        self,
        *,
        bus: Bus,
        memberships: Memberships,
        source: EventSource,
        metrics: RealtimeMetrics,
        clock: Clock,
        background: Background,
        pace: Pace,
        on_user: Handler,
        on_conversation: Handler,
    ) -> None:
        self.users: dict[str, LocalUser] = {}
        self.lanes: dict[str, Lane] = {}
        self.memberships = memberships
        self.source = source
        self.pace = pace
        self._bus = bus
        self._metrics = metrics
        self._clock = clock
        self._background = background
        self._on_user = on_user
        self._on_conversation = on_conversation
        self._epoch = 0

    def close(self) -> None:
        """Follow nothing any more."""
        for user in list(self.users.values()):
            self._drop(user)
        for lane in list(self.lanes.values()):
            lane.stop()
        self.lanes.clear()

    # Users

    async def expect(self, user_id: str) -> LocalUser:
        """Follow everything of a user, once more. Raises ApiError when the memberships cannot be read."""
        user = self.users.get(user_id)
        if user is None:
            user = self.users[user_id] = LocalUser(user_id)
            user.loading = self._background.start(self._load(user))
        user.admissions += 1
        if user.loading is not None:
            try:
                await asyncio.shield(user.loading)
            except BaseException:
                user.admissions -= 1
                self.release(user)
                raise
        return user

    def release(self, user: LocalUser) -> None:
        """Follow nothing for a user without sockets and admissions."""
        if not user.sessions and not user.admissions and user.loading is None:
            self._drop(user)

    def evict(self, user: LocalUser, code: CloseCode) -> None:
        """Serve this user no more; its sockets close and the next one starts anew."""
        self._drop(user)
        for session in user.sessions:
            session.close(code)

    # Lanes

    def hold(self, conversation_id: str) -> Lane:
        """The lane of a conversation, made if need be; it stays until `unhold`."""
        lane = self.lanes.get(conversation_id)
        if lane is None:
            lane = self.lanes[conversation_id] = Lane(self, conversation_id)
        lane.holds += 1
        return lane

    def unhold(self, lane: Lane) -> None:
        """Let go of a lane."""
        lane.holds -= 1
        self.idle(lane)

    async def subscribe(self, lane: Lane) -> None:
        """Hear the hints of a held lane from now on."""
        if lane.unsubscribe is None:
            channel = conversation_channel(lane.conversation_id)
            unsubscribe = await self._bus.subscribe(channel, self._on_conversation)
            self._epoch += 1
            if self.lanes.get(lane.conversation_id) is lane:
                lane.subscribed(unsubscribe, self._epoch)
            else:
                unsubscribe()  # the conversation ended meanwhile

    async def discover(self, lane: Lane, seq: int, user: LocalUser) -> None:
        """Follow a conversation that nobody here followed, from the event `seq` that lets `user` in."""
        wanted = seq
        try:
            await self.subscribe(lane)
            standing = await self.memberships.standing(user.user_id, lane.conversation_id)
            wanted = standing.last_seq if standing is not None else seq
        except ApiError as error:
            log.info("the head of a new conversation shows with its next event", code=error.code.name)
        finally:
            if lane.position < 0:
                lane.begin(self._start(lane, seq - 1))
            lane.want(wanted)
            self.unhold(lane)

    def drop_lane(self, lane: Lane) -> None:
        """The conversation is no more."""
        if self.lanes.get(lane.conversation_id) is lane:
            del self.lanes[lane.conversation_id]
        lane.stop()

    # What lanes need

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine in the background."""
        return self._background.start(work)

    def idle(self, lane: Lane) -> None:
        """Drop a lane that nobody follows."""
        if not lane.members and not lane.holds and not lane.busy:
            self.drop_lane(lane)

    def written(self, committed_at: float | None, sockets: int) -> None:
        """Count a delivered event."""
        if committed_at is not None:
            self._metrics.delivered(max(0.0, self._clock.now() / 1000 - committed_at))
        if sockets:
            self._metrics.messages("chat", "out", sockets)

    def caught_up(self, events: int) -> None:
        """Count events that no hint brought."""
        self._metrics.caught_up(events)

    # Loading

    async def _load(self, user: LocalUser) -> None:
        held: list[Lane] = []
        try:
            user.unsubscribe = await self._bus.subscribe(user_channel(user.user_id), self._on_user)
            while True:
                self._epoch += 1
                epoch, changes = self._epoch, user.changes
                standings = await self.memberships.standings(user.user_id)
                unready = [each for each in standings if not self._ready(each, epoch)]
                lanes = [self.hold(conversation_id) for conversation_id in unready]
                held += lanes
                if self._bus.embedded:
                    for lane in lanes:
                        await self.subscribe(lane)
                else:  # each answer takes a while
                    await asyncio.gather(*map(self.subscribe, lanes))
                if not unready and user.changes == changes:
                    break
            self._enter(user, standings)
        except BaseException:
            self._drop(user)
            raise
        finally:
            user.loading = None
            for lane in held:
                self.unhold(lane)
            self.release(user)  # everybody who expected it may have given up

    def _ready(self, conversation_id: str, epoch: int) -> bool:
        lane = self.lanes.get(conversation_id)
        return lane is not None and 0 < lane.epoch < epoch

    def _enter(self, user: LocalUser, standings: Mapping[str, Standing]) -> None:
        for conversation_id, standing in standings.items():
            lane = self.lanes[conversation_id]
            if lane.position < 0:
                lane.begin(self._start(lane, standing.last_seq))
            lane.join(user)
            if standing.last_seq > lane.position:
                user.raise_floor(conversation_id, standing.last_seq)
                lane.want(standing.last_seq)

    def _start(self, lane: Lane, position: int) -> int:
        """Not behind an event that waits to let somebody in."""
        pending = lane.pending or {}
        return min([position, *(seq - 1 for seq, hint in pending.items() if newcomers(self.users, hint))])

    def _drop(self, user: LocalUser) -> None:
        user.dropped = True
        if user.unsubscribe is not None:
            user.unsubscribe()
            user.unsubscribe = None
        if self.users.get(user.user_id) is user:
            del self.users[user.user_id]
        for lane in list(user.lanes.values()):
            lane.part(user)
            self.idle(lane)
