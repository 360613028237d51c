"""Commands of both sockets that concern calls (docs/reference/realtime.md §4, §10)."""

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import UNSET, Struct
from msgspec.structs import asdict

from secureconnect.edge.realtime.session.commands import Ack, Command, CommandContext
from secureconnect.edge.realtime.signaling.session import SignalContext
from secureconnect.features.calls.service import AnswerService
from secureconnect.features.calls.socket.bodies import (
    Description,
    Encrypted,
    IceCandidate,
    Join,
    JoinAck,
    Mute,
    Raise,
    Ringing,
    Share,
)
from secureconnect.features.calls.socket.switchboard import Switchboard

__all__ = ["chat_commands", "signal_commands"]


def chat_commands(answering: AnswerService) -> list[Command]:
    """Commands of the chat socket."""

    async def ringing(context: CommandContext, body: Ringing) -> Ack:
        await answering.ringing(context.principal.user_id, body.call_id)
        return None

    return [Command("call_ringing", Ringing, ringing, rate_row="calls")]


def signal_commands(switchboard: Switchboard) -> list[Command]:
    """Commands of the signaling socket."""

    async def join(context: SignalContext, body: Join) -> Ack:
        return await switchboard.join(context, takeover=body.takeover)

    async def leave(context: SignalContext, _: None) -> Ack:
        await switchboard.leave(context)
        return None

    def description(name: str) -> Callable[[SignalContext, Description], Awaitable[Ack]]:
        async def relay(context: SignalContext, body: Description) -> Ack:
            await switchboard.relay(context, name, body.target_id, {"sdp": body.sdp}, clear=True)
            return None

        return relay

    async def ice_candidate(context: SignalContext, body: IceCandidate) -> Ack:
        fields = {"candidate": _given(body.candidate)}
        await switchboard.relay(context, "ice_candidate", body.target_id, fields, clear=True)
        return None

    async def encrypted(context: SignalContext, body: Encrypted) -> Ack:
        await switchboard.relay(context, "encrypted", body.target_id, {"payload": body.payload}, clear=False)
        return None

    def shown(
        name: str, state: Callable[[Any], dict[str, bool]], said: Callable[[Any], dict[str, Any]]
    ) -> Callable[[SignalContext, Any], Awaitable[Ack]]:
        async def show(context: SignalContext, body: Any) -> Ack:
            await switchboard.show(context, name, state(body), said(body))
            return None

        return show

    def recording(name: str, *, on: bool) -> Callable[[SignalContext, None], Awaitable[Ack]]:
        async def record(context: SignalContext, _: None) -> Ack:
            await switchboard.record(context, name, recording=on)
            return None

        return record

    return [
        Command("join", Join, join, rate_row="calls_join", ack=JoinAck),
        Command("leave", None, leave, rate_row="calls"),
        Command("offer", Description, description("offer")),
        Command("answer", Description, description("answer")),
        Command("ice_candidate", IceCandidate, ice_candidate),
        Command("encrypted", Encrypted, encrypted),
        Command(
            "mute_audio",
            Mute,
            shown("mute_audio", lambda body: {"audio_muted": body.muted}, lambda body: {"muted": body.muted}),
        ),
        Command(
            "mute_video",
            Mute,
            shown("mute_video", lambda body: {"video_muted": body.muted}, lambda body: {"muted": body.muted}),
        ),
        Command(
            "screen_share_started",
            Share,
            shown("screen_share_started", lambda _: {"screen_sharing": True}, _stream),
        ),
        Command(
            "screen_share_stopped",
            Share,
            shown("screen_share_stopped", lambda _: {"screen_sharing": False}, _stream),
        ),
        Command(
            "hand_raised",
            Raise,
            shown(
                "hand_raised", lambda body: {"hand_raised": body.raised}, lambda body: {"raised": body.raised}
            ),
        ),
        Command("recording_started", None, recording("recording_started", on=True), rate_row="calls"),
        Command("recording_stopped", None, recording("recording_stopped", on=False), rate_row="calls"),
    ]


def _given(body: Struct) -> dict[str, Any]:
    return {name: value for name, value in asdict(body).items() if value is not UNSET}


def _stream(body: Share) -> dict[str, Any]:
    return {"stream_id": body.stream_id} if body.stream_id is not None else {}
