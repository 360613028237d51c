"""`redis.url` in all its forms, and what is refused."""

import pytest

from secureconnect.infra.redis.address import parse_address


def test_one_server() -> None:
    address = parse_address("redis://cache.example")
    assert (address.mode, address.hosts, address.db, address.tls) == (
        "single",
        (("cache.example", 6379),),
        0,
        False,
    )
    address = parse_address("rediss://user:p%2Fss@[::1]:7000/4?ca_file=/etc/ca.pem")
    assert (address.hosts, address.db, address.tls) == ((("::1", 7000),), 4, True)
    assert (address.username, address.password, address.ca_file) == ("user", "p/ss", "/etc/ca.pem")


def test_a_socket() -> None:
    address = parse_address("unix://:secret@/run/redis.sock?db=2")
    assert (address.path, address.db, address.password) == ("/run/redis.sock", 2, "secret")


def test_sentinels_name_a_master() -> None:
    address = parse_address("redis+sentinel://u:p%40ss@one,two:26380/main/3?sentinel_password=s")
    assert (address.mode, address.master, address.db) == ("sentinel", "main", 3)
    assert address.hosts == (("one", 26379), ("two", 26380))
    assert (address.username, address.password, address.sentinel_password) == ("u", "p@ss", "s")


def test_a_cluster_is_some_of_its_nodes() -> None:
    address = parse_address("rediss+cluster://:pw@one:7000,two")
    assert (address.mode, address.tls, address.hosts) == ("cluster", True, (("one", 7000), ("two", 6379)))
    assert parse_address("redis+cluster://one/0").db == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://cache",
        "redis://",
        "redis://host:port",
        "redis://host/first",
        "redis://host/1/2",
        "redis://host/1?db=2",
        "redis://host?dbb=1",
        "unix://",
        "redis+sentinel://host",
        "redis+cluster://host/1",
        "redis+cluster://one,,two",
    ],
)
def test_others_are_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as refused:
        parse_address(url.replace("://", "://me:hunter2@"))
    assert "hunter2" not in str(refused.value)
