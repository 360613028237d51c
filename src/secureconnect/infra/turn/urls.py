"""The URLs of TURN and STUN servers (RFC 7064, RFC 7065)."""

import re
from typing import Literal, NamedTuple, cast

__all__ = ["IceAddress", "parse_ice_url"]

_URL = re.compile(
    r"(?P<scheme>turns?|stuns?):(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])"
    r"(:(?P<port>[0-9]{1,5}))?(\?transport=(?P<transport>udp|tcp))?"
)
_DEFAULT_PORTS = {"turn": 3478, "stun": 3478, "turns": 5349, "stuns": 5349}


class IceAddress(NamedTuple):
    """Where a server is. `transport` is how clients reach it; `host` has no brackets."""

    scheme: Literal["turn", "turns", "stun", "stuns"]
    host: str
    port: int
    transport: Literal["udp", "tcp", "tls"]


def parse_ice_url(url: str) -> IceAddress:
    """What `url` says, with the defaults for what it leaves out.

    Raises:
        ValueError: it is none, or means DTLS, which no browser speaks.
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise ValueError("must be turn:host, turns:host or stun:host, with :port and ?transport=udp or tcp")
    scheme = cast("Literal['turn', 'turns', 'stun', 'stuns']", found["scheme"])
    port = int(found["port"] or _DEFAULT_PORTS[scheme])
    if not 0 < port <= 65_535:
        raise ValueError(f"there is no port {port}")
    if found["transport"] and scheme.startswith("stun"):
        raise ValueError("a STUN server has no transport")
    if scheme.endswith("s"):
        if found["transport"] == "udp":
            raise ValueError("a turns: server is reached by TCP")
        return IceAddress(scheme, found["host"].strip("[]"), port, "tls")
    transport: Literal["udp", "tcp"] = "tcp" if found["transport"] == "tcp" else "udp"
    return IceAddress(scheme, found["host"].strip("[]"), port, transport)
