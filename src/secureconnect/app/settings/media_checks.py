"""What the settings of media servers must not say together."""

from collections.abc import Iterator

from secureconnect.app.settings.media import SfuSettings, TurnSettings
from secureconnect.infra.turn.urls import parse_ice_url

__all__ = ["media_faults"]

_SECRET_BYTES = 32  # of a key for HS256 (RFC 7518 §3.2)


def media_faults(turn: TurnSettings, sfu: SfuSettings) -> Iterator[tuple[str, str]]:
    """`section.key` and what is wrong with it."""
    for key, urls, schemes in (("urls", turn.urls, "turn"), ("stun_urls", turn.stun_urls, "stun")):
        for url in urls:
            try:
                address = parse_ice_url(url)
            except ValueError as fault:
                yield f"turn.{key}", f"{url!r} {fault}"
            else:
                if not address.scheme.startswith(schemes):
                    yield f"turn.{key}", f"{url!r} must begin with {schemes}:"
    if turn.urls and not turn.secret:
        yield "turn.secret", "is needed with turn.urls: the secret that the TURN servers were given"
    keys = {"livekit_api_key": sfu.livekit_api_key, "livekit_api_secret": sfu.livekit_api_secret}
    if sfu.livekit_url or any(keys.values()):
        needed = {"livekit_url": sfu.livekit_url, **keys}
        for name, value in needed.items():
            if not value:
                yield f"sfu.{name}", "is needed too for LiveKit"
    if 0 < len(sfu.livekit_api_secret.encode()) < _SECRET_BYTES:
        yield "sfu.livekit_api_secret", f"must be {_SECRET_BYTES} characters or more"
