"""A mesh call that a program takes part in: signaling and media together."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import msgspec
from aiortc import MediaStreamTrack

from secureconnect.client.client import Client
from secureconnect.client.errors import ApiFailure, ClientError, ConnectionLost
from secureconnect.client.frames import OtherFrame
from secureconnect.client.media.mesh import MeshMedia, RemoteTrack
from secureconnect.client.reconnector import ConnectionChanged, ConnectionState
from secureconnect.client.signaling import Signaling

__all__ = ["MeshCall"]


class MeshCall:
    """A call from the joining to the hanging up.

        async with MeshCall(client, call_id, tracks=[Tone()]) as call:
            await call.until_over()

    Entering joins and connects to everybody who is in the call; who comes later connects to us. Leaving the
    block hangs up. Not for encrypted conversations: there descriptions of media have to be encrypted, too.

    Args:
        call_id: of a call that was placed (`client.calls.initiate`), or that rings here (the frame
            `call_incoming` of the chat).
        tracks, heard, relay_only: as of `MeshMedia`.
    """

    def __init__(
        self,
        client: Client,
        call_id: str,
        *,
        tracks: Sequence[MediaStreamTrack] = (),
        heard: Callable[[RemoteTrack], None] | None = None,
        relay_only: bool = False,
    ) -> None:
        self._client = client
        self._line: Signaling = client.signaling(call_id)
        self._tracks = tracks
        self._heard = heard
        self._relay_only = relay_only
        self._media: MeshMedia | None = None
        self._task: asyncio.Task[None] | None = None
        self._stack = AsyncExitStack()
        self._reason: str | None = None
        self._over = asyncio.Event()
        self.call_id = call_id

    async def __aenter__(self) -> Self:
        try:
            line = await self._stack.enter_async_context(self._line)
            media = self._media = MeshMedia(
                line.user_id,
                self._send,
                [msgspec.to_builtins(server) for server in line.ice_servers],
                tracks=self._tracks,
                heard=self._heard,
                relay_only=self._relay_only,
            )
            self._stack.push_async_callback(media.hang_up)
            joined = await line.join()
            self._task = asyncio.create_task(self._listen(media), name="call")
            self._stack.push_async_callback(self._end)
            others = (one.user_id for one in joined.call.participants if one.state == "joined")
            await asyncio.gather(*(media.offer(user_id) for user_id in others if user_id != line.user_id))
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if not self._over.is_set():
                await self._client.calls.leave(self.call_id)
        finally:
            await self._stack.aclose()

    @property
    def connected(self) -> frozenset[str]:
        """To whom media flows now."""
        return self._media.connected if self._media else frozenset()

    async def until_connected(self, user_ids: Iterable[str]) -> None:
        """Return once media flows to all of them; limit the time with `asyncio.timeout`."""
        assert self._media is not None, "use `async with`"
        await self._media.until_connected(user_ids)

    async def until_over(self) -> str:
        """Return once the call is over, with the server's reason (`hangup`, `connection_lost` …).

        Raises:
            ClientError: the signaling ended for good for another reason.
        """
        await self._over.wait()
        if self._task is not None and self._task.done():
            await self._task
        return self._reason or "hangup"

    async def mute(self, muted: bool) -> None:
        """Tell the others that our sound is off, or on again. What the tracks give is not changed."""
        await self._line.send("mute_audio", muted=muted)

    async def _send(self, kind: str, fields: Mapping[str, Any]) -> bool:
        try:
            await self._line.send(kind, **fields)
        except ApiFailure as refusal:
            if refusal.code != "NOT_FOUND":
                raise
            return False
        except ConnectionLost:
            pass  # it may have arrived
        return True

    async def _listen(self, media: MeshMedia) -> None:
        lost = False
        try:
            async for frame in self._line.frames():
                if isinstance(frame, ConnectionChanged):
                    if lost and frame.state is ConnectionState.CONNECTED:
                        await media.repeat()
                    lost = lost or frame.state is ConnectionState.WAITING
                if not isinstance(frame, OtherFrame):
                    continue
                if frame.type == "call_ended":
                    self._reason = str(frame.fields.get("end_reason"))
                await media.take(frame.fields)
        except ApiFailure as refusal:
            if refusal.code != "CALL_ENDED":
                raise
            # It ended while the socket was away, so that no frame said why.
            self._reason = (await self._client.calls.get(self.call_id)).end_reason
        finally:
            self._over.set()

    async def _end(self) -> None:
        assert self._task is not None
        self._task.cancel()
        try:
            await self._task
        except (asyncio.CancelledError, ClientError):
            return
