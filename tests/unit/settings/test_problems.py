"""Everything that is wrong is said at once, with its place."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from secureconnect.app.settings import SettingsError, load

KEY = base64.b64encode(bytes(range(32))).decode()
POSTGRES = "postgresql://chat:Orange-Ladder-77@db/chat"
REDIS = "redis://:Green-Window-31-x@cache"


@pytest.fixture(autouse=True)
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def problems(
    *lines: str,
    environ: Mapping[str, str] | None = None,
    roles: Sequence[str] = (),
    flags: Mapping[str, str] | None = None,
) -> list[tuple[str, str, str]]:
    """(where, key, message) of each problem; `lines` are the file's, `environ` is SECTION__KEY → text."""
    path = Path("s.toml")
    path.write_text("\n".join(lines))
    variables = {f"SECURECONNECT__{name}": text for name, text in (environ or {}).items()}
    try:
        load(environ=variables, config=path, flags=flags, roles=roles)
    except SettingsError as error:
        return [(problem.where, problem.key, problem.message) for problem in error.problems]
    return []


def named(found: list[tuple[str, str, str]]) -> list[str]:
    return [key for _, key, _ in found]


def test_all_problems_of_all_sources_are_listed_with_their_places() -> None:
    found = problems(
        "[auth]",
        "acess_ttl = 5",
        "[server]",
        'port = "x"',
        "[nonsense]",
        "a = 1",
        environ={"AUTH__LOCKOUT_FAILURES": "many", "NONSENSE": "1"},
        flags={"--workers": "few"},
    )
    assert found == [
        ("s.toml:2", "auth.acess_ttl", "no such setting in this version; did you mean access_ttl?"),
        ("s.toml:4", "server.port", "must be an integer from 0 to 65535, not 'x'"),
        ("s.toml:6", "nonsense.a", "no such section in this version"),
        (
            "SECURECONNECT__AUTH__LOCKOUT_FAILURES",
            "auth.lockout_failures",
            "must be an integer from 1 to 1000, not 'many'",
        ),
        (
            "SECURECONNECT__NONSENSE",
            "SECURECONNECT__NONSENSE",
            "names no setting: write SECURECONNECT__SECTION__KEY",
        ),
        ("--workers", "server.workers", "must be an integer from 1 to 64, not 'few'"),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("port = true", "must be an integer from 0 to 65535, not True"),
        ("port = 65536", "must be an integer from 0 to 65535, not 65536"),
        ("port = 80.5", "must be an integer from 0 to 65535, not 80.5"),
        ('environment = "test"', 'must be "development" or "production", not \'test\''),
        (
            'public_url = "chat.example"',
            "must be a text of the form http(s)://host[:port][/path], not 'chat.example'",
        ),
        ('host = ""', "must be a text that is not empty, not ''"),
        ('trusted_proxies = "10.0.0.0/8"', "must be a list of texts, not '10.0.0.0/8'"),
        ("shutdown_grace = -1", "must be a number from 0 to 3600, not -1"),
        ("tls_cert_file = 1979-05-27", "must be a text, not datetime.date(1979, 5, 27)"),
    ],
)
def test_wrong_values(line: str, message: str) -> None:
    assert problems("[server]", line) == [("s.toml:2", f"server.{line.partition(' ')[0]}", message)]


def test_a_wrong_secret_is_not_repeated() -> None:
    found = problems("[observability]", "metrics_token = 4711")
    assert found == [("s.toml:2", "observability.metrics_token", "must be a text")]


def test_a_file_that_cannot_be_read() -> None:
    with pytest.raises(SettingsError, match=r"gone\.toml: --config: cannot be read: No such file"):
        load(environ={}, config=Path("gone.toml"))
    Path("binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="is not UTF-8"):
        load(environ={}, config=Path("binary.toml"))
    [(where, _, message)] = problems("[auth]", "access_ttl = ")
    assert where == "s.toml:2"
    assert "is not valid TOML" in message


def test_a_section_must_be_a_table_and_an_empty_unknown_one_is_seen() -> None:
    assert problems("auth = 5") == [
        ("s.toml:1", "auth", "must be a section: write [section] and below it key = value")
    ]
    assert problems("[atuh]") == [("s.toml:1", "atuh", "no such section in this version; did you mean auth?")]
    assert problems("[auth]") == []


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text(KEY + "\n")
    environ = {"SECRETS__MASTER_KEY_FILE": str(secret)}
    assert problems(environ=environ) == []
    found = problems("[secrets]", f'master_key = "{KEY}"', environ=environ)
    assert found == [
        (
            "s.toml:2, SECURECONNECT__SECRETS__MASTER_KEY_FILE",
            "secrets.master_key",
            "give secrets.master_key or secrets.master_key_file, not both",
        )
    ]


def test_a_secret_file_must_be_readable(tmp_path: Path) -> None:
    [(_, key, message)] = problems(environ={"SECRETS__MASTER_KEY_FILE": str(tmp_path / "gone")})
    assert key == "secrets.master_key_file"
    assert "cannot be read: No such file" in message
    assert named(problems("[secrets]", "master_key_file = 1")) == ["secrets.master_key_file"]


def test_only_secrets_have_a_file_form() -> None:
    environ = {"AUTH__ISSUER_FILE": "x", "SERVER__TLS_CERT": "x"}
    assert named(problems(environ=environ)) == [
        "auth.issuer_file",
        "server.tls_cert",
    ]


@pytest.mark.parametrize("key", ["c2hvcnQ=", "not base64!", base64.b64encode(bytes(33)).decode()])
def test_a_master_key_is_32_bytes_in_base64(key: str) -> None:
    [(where, name, message)] = problems(environ={"SECRETS__MASTER_KEY": key})
    assert (where, name) == ("SECURECONNECT__SECRETS__MASTER_KEY", "secrets.master_key")
    assert message.startswith("must be 32 bytes in base64")


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        (("[server]", 'tls_cert_file = "s.toml"'), "server.tls_key_file"),
        (("[server]", 'tls_cert_file = "s.toml"', 'tls_key_file = "gone"'), "server.tls_key_file"),
        (("[server]", 'trusted_proxies = ["10.0.0.1/8"]'), "server.trusted_proxies"),
        (("[http]", 'allowed_origins = ["chat.example"]'), "http.allowed_origins"),
        (("[http]", 'allowed_origins = ["https://chat.example/path"]'), "http.allowed_origins"),
        (("[observability]", 'metrics_listen = "localhost:99999"'), "observability.metrics_listen"),
        (("[observability]", 'metrics_listen = "localhost:8080"'), "observability.metrics_listen"),
        (("[auth]", "access_ttl = 60", "refresh_ttl = 60"), "auth.refresh_ttl"),
        (("[realtime]", "idle_timeout = 25"), "realtime.idle_timeout"),
        (("[database]", 'url = "sqlite:///:memory:"'), "database.url"),
        (("[database]", 'url = "mysql://h/d"'), "database.url"),
        (("[object_store]", 'backend = "s3"', 'access_key = "a"'), "object_store.secret_key"),
        (("[object_store]", 'backend = "s3"', 'secret_key = "s"'), "object_store.access_key"),
        (("[object_store]", 'endpoint = "https://s3.example/path"'), "object_store.endpoint"),
        (("[object_store]", 'public_endpoint = "s3.example"'), "object_store.public_endpoint"),
        (("[object_store]", 'bucket = "A"'), "object_store.bucket"),
        (("[redis]", 'url = "http://cache"'), "redis.url"),
        (("[redis]", 'url = "redis+sentinel://one,two"'), "redis.url"),
        (("[redis]", 'url = "rediss://cache?ca_file=/nowhere/ca.pem"'), "redis.url"),
    ],
)
def test_contradictions(lines: tuple[str, ...], key: str) -> None:
    assert named(problems(*lines)) == [key]


SPLIT = ["database.url", "redis.url", "object_store.backend"]


def test_roles_and_workers_name_every_embedded_store() -> None:
    assert named(problems(roles=("auth",))) == [*SPLIT, "secrets.master_key"]
    assert named(problems(flags={"--workers": "2"})) == [*SPLIT, "secrets.master_key"]


def test_the_gateway_needs_no_store_and_is_a_process_of_its_own() -> None:
    assert load(environ={}, roles=["gateway"]).settings.server.port == 8080
    assert load(environ={}, roles=["gateway"], flags={"--workers": "2"}).settings.server.workers == 2
    assert "role" in named(problems(roles=("gateway", "chat")))
    bad = {"GATEWAY__CHAT_URL": '["http://chat:8082/v1"]', "GATEWAY__AUTH_URL": "[]"}
    assert named(problems(roles=("gateway",), environ=bad)) == ["gateway.auth_url", "gateway.chat_url"]


def production(environ: Mapping[str, str]) -> list[str]:
    sound = {"SERVER__ENVIRONMENT": "production", "SERVER__PUBLIC_URL": "https://chat.example"}
    return named(problems(environ={**sound, **environ}))


def test_production_starts_with_sound_settings() -> None:
    assert production({}) == []
    assert production({"SECRETS__MASTER_KEY": KEY, "OBSERVABILITY__METRICS_TOKEN": "Grey-Button-55"}) == []


@pytest.mark.parametrize(
    ("environ", "keys"),
    [
        ({"SERVER__PUBLIC_URL": "http://chat.example"}, ["server.public_url"]),
        ({"HTTP__ALLOWED_ORIGINS": "*"}, ["http.allowed_origins"]),
        ({"OBSERVABILITY__METRICS_TOKEN": "ElevenChars"}, ["observability.metrics_token"]),
        ({"OBSERVABILITY__METRICS_TOKEN": "MinioAdmin123"}, ["observability.metrics_token"]),
        (
            {"SECRETS__MASTER_KEY": KEY, "OBSERVABILITY__METRICS_TOKEN": KEY},
            ["observability.metrics_token"],
        ),
        (
            {"SECRETS__MASTER_KEY": "MTIzNDU2Nzg=", "DATABASE__URL": "postgresql://u:changeme@db/d"},
            ["secrets.master_key", "database.url"],
        ),
        ({"DATABASE__URL": "postgresql://u@db/d"}, ["database.url"]),
        ({"DATABASE__URL": "postgresql:///d?host=/run/postgresql"}, []),
        ({"REDIS__URL": "redis://cache"}, ["redis.url"]),
        ({"REDIS__URL": "redis+sentinel://one,two/main"}, ["redis.url"]),
        ({"REDIS__URL": "redis+cluster://:Green-Window-31-x@one,two"}, []),
        ({"REDIS__URL": "unix:///run/redis.sock"}, []),
    ],
)
def test_production_refuses(environ: dict[str, str], keys: list[str]) -> None:
    assert production(environ) == keys


def test_development_takes_what_production_refuses() -> None:
    assert problems(environ={"OBSERVABILITY__METRICS_TOKEN": "t", "HTTP__ALLOWED_ORIGINS": "*"}) == []


@pytest.mark.parametrize(
    ("domain", "right"),
    [
        ("chat.example.org", True),
        ("example.org", True),
        ("org.example", False),
        ("ample.org", False),
        ("a.chat.example.org", False),
        ("https://chat.example.org", False),
    ],
)
def test_passkeys_belong_to_the_public_host_or_a_domain_above_it(domain: str, right: bool) -> None:
    found = problems(
        "[server]", 'public_url = "https://chat.example.org/"', "[auth]", f'webauthn_rp_id = "{domain}"'
    )
    assert named(found) == ([] if right else ["auth.webauthn_rp_id"])


@pytest.mark.parametrize("url", ["http://[x", "http://h:99999", "https://a b"])
def test_a_public_url_is_an_address(url: str) -> None:
    assert named(problems("[server]", f'public_url = "{url}"')) == ["server.public_url"]
