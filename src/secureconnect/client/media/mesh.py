"""The connections of one participant of a mesh call: one to each other participant."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.contrib.media import MediaRelay
from aiortc.exceptions import InvalidStateError
from aiortc.rtcconfiguration import RTCIceTransportPolicy
from aiortc.sdp import candidate_from_sdp

__all__ = ["MeshMedia", "RemoteTrack", "Send"]

#: Sends a command; False when the one that it is for does not listen.
Send = Callable[[str, Mapping[str, Any]], Awaitable[bool]]


class RemoteTrack(NamedTuple):
    """Sound or pictures of somebody; `await track.recv()` gives the frames."""

    user_id: str
    track: MediaStreamTrack


class MeshMedia:
    """Offers, answers and candidates of one user in one call; what they carry goes in and out as tracks.

    Whoever joins offers to everybody who is in the call already (docs/reference/realtime.md §10). When both
    sides offer at the same time, the one with the smaller user id gives way.

    Args:
        user_id: who we are.
        send: sends a signaling command, its type and fields; false when its target does not listen (yet).
        ice_servers: as the server gives them.
        tracks: what everybody hears and sees of us.
        heard: told about every track of somebody else.
        relay_only: send through TURN servers alone, so that others do not learn our addresses.
    """

    def __init__(
        self,
        user_id: str,
        send: Send,
        ice_servers: Iterable[Mapping[str, Any]],
        *,
        tracks: Sequence[MediaStreamTrack] = (),
        heard: Callable[[RemoteTrack], None] | None = None,
        relay_only: bool = False,
    ) -> None:
        self._user_id = user_id
        self._send = send
        self._configuration = RTCConfiguration(
            iceServers=[
                RTCIceServer(
                    urls=list(server["urls"]),
                    username=server.get("username"),
                    credential=server.get("credential"),
                )
                for server in ice_servers
            ],
            iceTransportPolicy=RTCIceTransportPolicy.RELAY if relay_only else RTCIceTransportPolicy.ALL,
            bundlePolicy=RTCBundlePolicy.MAX_BUNDLE,
        )
        # One source, many listeners.
        self._relay = MediaRelay()
        self._tracks = tuple(tracks)
        self._heard = heard
        self._peers: dict[str, RTCPeerConnection] = {}
        # Who did not listen when we offered, and who has come since we began to offer to them.
        self._awaited: set[str] = set()
        self._came: set[str] = set()
        self._changed = asyncio.Event()

    @property
    def connected(self) -> frozenset[str]:
        """To whom media flows now."""
        return frozenset(
            user_id for user_id, peer in self._peers.items() if peer.connectionState == "connected"
        )

    async def until_connected(self, user_ids: Iterable[str]) -> None:
        """Return once media flows to all of them; limit the time with `asyncio.timeout`."""
        wanted = frozenset(user_ids)
        while not wanted <= self.connected:
            self._changed.clear()
            await self._changed.wait()

    async def offer(self, user_id: str) -> None:
        """Begin with somebody who is in the call; if they do not listen yet, as soon as they do."""
        self._awaited.discard(user_id)
        while True:
            self._came.discard(user_id)
            peer = await self._fresh(user_id)
            if not self._tracks:
                peer.addTransceiver("audio", direction="recvonly")
            await peer.setLocalDescription(await peer.createOffer())
            if await self._send("offer", {"target_id": user_id, "sdp": peer.localDescription.sdp}):
                return
            if self._peers.get(user_id) is not peer:
                return  # meanwhile they offered, or are gone
            # Theirs must not give way to an offer that nobody got.
            await self._drop(user_id)
            if user_id not in self._came:
                self._awaited.add(user_id)
                return

    async def repeat(self) -> None:
        """Tell again what may have been lost with the connection: descriptions of media that does not flow
        yet. Whoever has them already is not disturbed.
        """
        for user_id, peer in list(self._peers.items()):
            described = cast("RTCSessionDescription | None", peer.localDescription)
            if described is None or peer.connectionState == "connected":
                continue
            offered = peer.signalingState == "have-local-offer"
            if not offered and described.type != "answer":
                continue
            arrived = await self._send(described.type, {"target_id": user_id, "sdp": described.sdp})
            if offered and not arrived and self._peers.get(user_id) is peer:
                await self._drop(user_id)
                self._awaited.add(user_id)

    async def take(self, frame: Mapping[str, Any]) -> None:
        """A frame of the signaling socket; what is not about media is ignored."""
        user_id = str(frame.get("sender_id", ""))
        match frame.get("type"):
            case "offer":
                with self._unless_gone(user_id):
                    await self._answer(user_id, str(frame["sdp"]))
            case "answer":
                peer = self._peers.get(user_id)
                if peer is not None and peer.signalingState == "have-local-offer":
                    with self._unless_gone(user_id):
                        await peer.setRemoteDescription(RTCSessionDescription(str(frame["sdp"]), "answer"))
            case "ice_candidate":
                await self._candidate(user_id, frame["candidate"])
            case "join":
                self._came.add(user_id)
                if user_id in self._awaited:
                    await self.offer(user_id)
            case "leave":
                self._awaited.discard(user_id)
                await self._drop(user_id)
            case _:
                pass

    @contextlib.contextmanager
    def _unless_gone(self, user_id: str) -> Iterator[None]:
        """Somebody may leave, or we may hang up, while their description is looked at."""
        try:
            yield
        except InvalidStateError:
            peer = self._peers.get(user_id)
            if peer is not None and peer.signalingState != "closed":
                raise

    async def hang_up(self) -> None:
        """End every connection. The tracks stay as they are."""
        self._awaited.clear()
        peers, self._peers = self._peers, {}
        await asyncio.gather(*(peer.close() for peer in peers.values()))

    async def _answer(self, user_id: str, sdp: str) -> None:
        peer = self._peers.get(user_id)
        if peer is not None and peer.signalingState == "have-local-offer":
            if self._user_id > user_id:
                return  # they take back theirs, and answer ours
            peer = None  # we take back ours
        elif peer is not None and peer.connectionState in ("failed", "closed"):
            peer = None
        if peer is None:
            peer = await self._fresh(user_id)
        await peer.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        await self._send("answer", {"target_id": user_id, "sdp": peer.localDescription.sdp})

    async def _candidate(self, user_id: str, told: Mapping[str, Any]) -> None:
        peer = self._peers.get(user_id)
        line = str(told.get("candidate") or "").removeprefix("candidate:")
        # While our offer waits for its answer, this belongs to one of theirs that was not taken.
        if peer is None or peer.signalingState == "have-local-offer" or not line:
            return
        candidate = candidate_from_sdp(line)
        candidate.sdpMid = told.get("sdpMid")
        candidate.sdpMLineIndex = told.get("sdpMLineIndex")
        await peer.addIceCandidate(candidate)

    async def _fresh(self, user_id: str) -> RTCPeerConnection:
        await self._drop(user_id)
        peer = self._peers[user_id] = RTCPeerConnection(self._configuration)
        for track in self._tracks:
            peer.addTrack(self._relay.subscribe(track))

        def arrived(track: MediaStreamTrack) -> None:
            if self._heard is not None:
                self._heard(RemoteTrack(user_id, track))

        def changed() -> None:
            self._changed.set()

        peer.on("track", cast("Callable[..., Any]", arrived))
        peer.on("connectionstatechange", cast("Callable[..., Any]", changed))
        return peer

    async def _drop(self, user_id: str) -> None:
        peer = self._peers.pop(user_id, None)
        if peer is not None:
            await peer.close()
