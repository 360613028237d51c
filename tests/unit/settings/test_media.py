"""TURN and SFU in the settings: named with everything they need, or the start is refused."""

import pytest

from secureconnect.app.settings import SettingsError, load
from secureconnect.app.settings.production import warnings

LIVEKIT = {
    "SFU__LIVEKIT_URL": "wss://sfu.example.test",
    "SFU__LIVEKIT_API_KEY": "APIabcdefghijk",
    "SFU__LIVEKIT_API_SECRET": "zyxwvutsrqponmlkjihgfedcba9876543210",
}
TURN = {
    "TURN__URLS": "turn:turn.example.test,turns:turn.example.test",
    "TURN__SECRET": "shared by both of us",
}
PRODUCTION = {"SERVER__ENVIRONMENT": "production", "SERVER__PUBLIC_URL": "https://chat.example.test"}


def environ(given: dict[str, str]) -> dict[str, str]:
    return {f"SECURECONNECT__{name}": value for name, value in given.items()}


def test_defaults() -> None:
    settings = load(environ={}).settings
    assert (settings.turn.urls, settings.turn.credential_ttl) == ((), 86_400)
    assert (settings.sfu.livekit_url, settings.sfu.max_participants, settings.sfu.token_ttl) == ("", 50, 600)


def test_whole_servers() -> None:
    settings = load(environ=environ({**LIVEKIT, **TURN, **PRODUCTION})).settings
    assert settings.turn.urls == ("turn:turn.example.test", "turns:turn.example.test")
    assert "shared" not in repr(settings)
    assert "APIabc" not in repr(settings)
    assert "zyxw" not in repr(settings)


@pytest.mark.parametrize(
    ("given", "faulty"),
    [
        ({"TURN__URLS": "turn:turn.example.test"}, {"turn.secret"}),
        ({**TURN, "TURN__URLS": "stun:a.test"}, {"turn.urls"}),
        ({**TURN, "TURN__URLS": "https://a.test"}, {"turn.urls"}),
        ({"TURN__STUN_URLS": "turn:a.test"}, {"turn.stun_urls"}),
        ({**TURN, "TURN__CREDENTIAL_TTL": "59"}, {"turn.credential_ttl"}),
        ({**LIVEKIT, "SFU__LIVEKIT_API_KEY": ""}, {"sfu.livekit_api_key"}),
        ({"SFU__LIVEKIT_API_SECRET": "x" * 32}, {"sfu.livekit_url", "sfu.livekit_api_key"}),
        ({**LIVEKIT, "SFU__LIVEKIT_API_SECRET": "x" * 31}, {"sfu.livekit_api_secret"}),
        ({**LIVEKIT, "SFU__LIVEKIT_URL": "sfu.example.test"}, {"sfu.livekit_url"}),
        ({**PRODUCTION, **TURN, "TURN__SECRET": "secret"}, {"turn.secret"}),
        ({**PRODUCTION, **LIVEKIT, "SFU__LIVEKIT_API_KEY": "devkey"}, {"sfu.livekit_api_key"}),
    ],
)
def test_half_servers(given: dict[str, str], faulty: set[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        load(environ=environ(given))
    assert {problem.key for problem in caught.value.problems} == faulty


def test_production_says_that_calls_may_not_connect() -> None:
    assert any("NAT" in line for line in warnings(load(environ=environ(PRODUCTION)).settings))
    assert not any("NAT" in line for line in warnings(load(environ=environ({**PRODUCTION, **TURN})).settings))
