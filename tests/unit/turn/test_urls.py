"""URLs of TURN and STUN servers."""

import pytest

from secureconnect.infra.turn.urls import IceAddress, parse_ice_url


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("turn:turn.example.test", IceAddress("turn", "turn.example.test", 3478, "udp")),
        ("turn:192.0.2.1:80?transport=tcp", IceAddress("turn", "192.0.2.1", 80, "tcp")),
        ("turn:h?transport=udp", IceAddress("turn", "h", 3478, "udp")),
        ("turns:[2001:db8::1]:443", IceAddress("turns", "2001:db8::1", 443, "tls")),
        ("turns:h?transport=tcp", IceAddress("turns", "h", 5349, "tls")),
        ("stun:h", IceAddress("stun", "h", 3478, "udp")),
        ("stuns:h:1", IceAddress("stuns", "h", 1, "tls")),
    ],
)
def test_read(url: str, address: IceAddress) -> None:
    assert parse_ice_url(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "turn:",
        "turn.example.test",
        "turn://turn.example.test",
        "https://turn.example.test",
        "turn:h:0",
        "turn:h:65536",
        "turn:h:١",
        "turn:user@h",
        "turn:h?transport=sctp",
        "turns:h?transport=udp",
        "stun:h?transport=tcp",
        "turn:h\n",
        "turn:2001:db8::1",
    ],
)
def test_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"must be|no port|no transport|by TCP"):
        parse_ice_url(url)
