"""What operators can set about sockets (docs/reference/realtime.md §1, §3, §8, §9)."""

from typing import Annotated

from secureconnect.kit.settings import Section, about

__all__ = ["PROTOCOL", "RESUME_MAX_TOTAL", "RealtimeSettings"]

#: The subprotocol and the only version of it.
PROTOCOL = "secureconnect.v1"

#: Events that one `hello` may replay over all conversations (§3).
RESUME_MAX_TOTAL = 10_000


class RealtimeSettings(Section, frozen=True):
    """Sockets: how many, how fast, how patient."""

    max_sockets: Annotated[int, about("open sockets of one process", ge=1, le=1_000_000)] = 10_000
    max_sockets_per_user: Annotated[int, about("open sockets of one user", ge=1, le=10_000)] = 20
    max_frame_bytes: Annotated[
        int, about("largest frame from a client", unit="bytes", ge=1024, le=16_777_216)
    ] = 262_144
    max_signaling_frame_bytes: Annotated[
        int, about("largest frame from a client on a signaling socket", unit="bytes", ge=1024, le=1_048_576)
    ] = 65_536
    hello_wait: Annotated[
        float, about("silence after which a socket starts without resume", unit="s", gt=0)
    ] = 1
    resume_max_events: Annotated[
        int, about("events of one conversation that a resume brings at most", ge=1, le=10_000)
    ] = 1000
    commands_per_second: Annotated[float, about("commands of one socket", unit="per s", gt=0)] = 20
    commands_burst: Annotated[int, about("commands of one socket at once", ge=1)] = 60
    send_buffer_frames: Annotated[int, about("frames that wait for a slow reader", ge=10)] = 1000
    send_buffer_bytes: Annotated[int, about("bytes that wait for a slow reader", unit="bytes", ge=65_536)] = (
        4_194_304
    )
    ping_interval: Annotated[float, about("time between protocol pings", unit="s", gt=0)] = 25
    idle_timeout: Annotated[float, about("silence after which a socket is closed", unit="s", gt=0)] = 60
    typing_interval: Annotated[
        float, about("least time between two typing frames of one user", unit="s", ge=0)
    ] = 3
