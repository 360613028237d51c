"""The section about calls."""

from typing import Annotated, Literal

from secureconnect.kit.settings import Section, about

__all__ = ["CallSettings"]


class CallSettings(Section, frozen=True):
    """Calls: how long they ring, last, and wait for who is lost."""

    topology: Annotated[
        Literal["auto", "mesh", "sfu"],
        about(
            "how the media of a call goes that does not say how: `auto` straight between up to four people, "
            "through the SFU for more"
        ),
    ] = "auto"
    ring_timeout: Annotated[float, about("how long a call rings", unit="s", ge=1, le=600)] = 45
    max_duration: Annotated[float, about("how long a call may last", unit="s", ge=1, le=604_800)] = 86_400
    reconnect_window: Annotated[
        float, about("how long who lost the signaling socket may be gone", unit="s", ge=1, le=600)
    ] = 30
    reaper_interval: Annotated[
        float, about("time between two looks for calls that ended by themselves", unit="s", ge=0.2, le=60)
    ] = 5
