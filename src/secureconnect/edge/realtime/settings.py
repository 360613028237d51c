"""What operators can set about sockets (docs/reference/realtime.md §1, §3, §8, §9)."""

import msgspec

__all__ = ["PROTOCOL", "RESUME_MAX_TOTAL", "RealtimeSettings"]

#: The subprotocol and the only version of it.
PROTOCOL = "secureconnect.v1"

#: Events that one `hello` may replay over all conversations (§3).
RESUME_MAX_TOTAL = 10_000


class RealtimeSettings(msgspec.Struct, frozen=True):
    """The `realtime.*` settings. Durations in seconds, sizes in bytes."""

    max_sockets: int = 10_000
    max_sockets_per_user: int = 20
    compression: bool = False
    hello_wait: float = 1
    resume_max_events: int = 1_000
    max_frame_bytes: int = 262_144
    max_signaling_frame_bytes: int = 65_536
    commands_per_second: float = 20
    commands_burst: int = 60
    send_buffer_frames: int = 1_000
    send_buffer_bytes: int = 4 * 1024 * 1024
    ping_interval: float = 25
    idle_timeout: float = 60
    typing_interval: float = 3
