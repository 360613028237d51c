"""The sections about servers that carry the media of calls."""

from typing import Annotated

from secureconnect.kit.settings import Section, about

__all__ = ["SfuSettings", "TurnSettings"]


class TurnSettings(Section, frozen=True):
    """Servers that help the media of calls through NATs: coturn, or another that takes credentials made of a
    shared secret."""

    urls: Annotated[
        tuple[str, ...],
        about(
            "TURN servers: `turn:host`, `turns:host`, with `:port` and `?transport=udp` or `tcp` if wanted"
        ),
    ] = ()
    stun_urls: Annotated[tuple[str, ...], about("STUN servers: `stun:host` or `stun:host:port`")] = ()
    secret: Annotated[
        str,
        about("what the TURN servers know too (`static-auth-secret` of coturn)", secret=True),
    ] = ""
    credential_ttl: Annotated[
        int, about("how long TURN credentials are good for", unit="s", ge=60, le=604_800)
    ] = 86_400


class SfuSettings(Section, frozen=True):
    """A LiveKit server, for calls of more than four."""

    livekit_url: Annotated[
        str,
        about(
            "the server, under the address that clients reach it by; empty: calls are for four at most",
            pattern=r"^$|^(wss?|https?)://[^/?#@\s]+/?$",
            form="wss://host[:port] or ws://host[:port]",
        ),
    ] = ""
    livekit_api_key: Annotated[str, about("the name of our key there", secret=True)] = ""
    livekit_api_secret: Annotated[str, about("that key, 32 characters or more", secret=True)] = ""
    max_participants: Annotated[int, about("the most people in one call", ge=2, le=1000)] = 50
    token_ttl: Annotated[
        int, about("time to connect to the server with a token", unit="s", ge=10, le=86_400)
    ] = 600
