"""Credentials for TURN servers: what coturn will compute too."""

import base64
import hashlib
import hmac

from secureconnect.infra.turn.rest import RestCredentials, password_of

USER = "7e57ab1e-0000-4000-8000-000000000001"
NOW = 1_800_000_000_000


class Counted:
    """How often credentials were made."""

    def __init__(self) -> None:
        self.times = 0

    def turn_credentials_issued(self) -> None:
        self.times += 1


def servers(
    turn: tuple[str, ...] = (), stun: tuple[str, ...] = (), *, ttl: int = 86_400
) -> tuple[RestCredentials, Counted]:
    counted = Counted()
    return RestCredentials(turn, stun, "of both", ttl, counted), counted


def test_a_known_password() -> None:
    # The value of `echo -n 1800086400:alice | openssl dgst -sha1 -hmac secret -binary | base64`.
    assert password_of("1800086400:alice", "secret") == "0bwwbwyTsWs4yNpNN2hLUmwcWDU="


def test_credentials_name_their_end_and_their_user() -> None:
    ice, counted = servers(("turn:turn.example.test", "turns:turn.example.test"), ("stun:stun.example.test",))
    (stun, turn), ttl = ice.for_user(USER, NOW)
    assert ttl == 86_400
    assert (stun.urls, stun.username, stun.credential) == (("stun:stun.example.test",), None, None)
    assert turn.urls == ("turn:turn.example.test", "turns:turn.example.test")
    assert turn.username == f"1800086400:{USER}"
    digest = hmac.new(b"of both", turn.username.encode(), hashlib.sha1).digest()
    assert turn.credential == base64.b64encode(digest).decode()
    assert turn.credential not in repr(turn)
    assert counted.times == 1


def test_they_end_after_the_ttl_that_was_set() -> None:
    ice, _ = servers(("turn:turn.example.test",), ttl=60)
    (turn,), ttl = ice.for_user(USER, NOW + 999)
    assert (ttl, turn.username) == (60, f"1800000060:{USER}")


def test_no_turn_server_no_credentials() -> None:
    ice, counted = servers()
    assert ice.for_user(USER, NOW) == ((), 86_400)
    ice, counted = servers(stun=("stun:a.test",))
    ((stun,), _) = ice.for_user(USER, NOW)
    assert (stun.urls, stun.username, counted.times) == (("stun:a.test",), None, 0)


def test_an_entry_has_at_most_eight_urls() -> None:
    urls = tuple(f"turn:turn{number}.example.test" for number in range(9))
    ice, counted = servers(urls)
    found, _ = ice.for_user(USER, NOW)
    assert [server.urls for server in found] == [urls[:8], urls[8:]]
    assert {server.username for server in found} == {f"1800086400:{USER}"}
    assert counted.times == 1
