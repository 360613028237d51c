"""Where values come from, and which wins."""

from pathlib import Path

import msgspec
import pytest

from secureconnect.app.settings import Loaded, Settings, load

CONFIG = """\
[auth]
access_ttl = 60

[http]
allowed_origins = ["https://chat.example"]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(autouse=True)
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def value_and_source(loaded: Loaded, section: str, key: str) -> tuple[object, str]:
    return getattr(getattr(loaded.settings, section), key), loaded.origin(f"{section}.{key}").source


def test_without_anything_the_defaults_hold() -> None:
    loaded = load(environ={})
    assert loaded.settings == Settings()
    assert loaded.origin("auth.access_ttl").source == "default"


def test_file_beats_default_environment_beats_file_flag_beats_environment(config: Path) -> None:
    environ = {"SECURECONNECT__AUTH__ACCESS_TTL": "120", "SECURECONNECT__SERVER__PORT": "9000"}
    assert value_and_source(load(environ={}, config=config), "auth", "access_ttl") == (60, "file")
    assert value_and_source(load(environ=environ, config=config), "auth", "access_ttl") == (120, "env")
    assert value_and_source(load(environ=environ), "server", "port") == (9000, "env")
    loaded = load(environ=environ, flags={"--port": "9001"})
    assert value_and_source(loaded, "server", "port") == (9001, "flag")


def test_origins_name_line_variable_and_flag(config: Path) -> None:
    loaded = load(
        environ={"SECURECONNECT__HTTP__REQUEST_TIMEOUT": "5"}, config=config, flags={"--data-dir": "d"}
    )
    assert loaded.origin("auth.access_ttl").where == f"{config}:2"
    assert loaded.origin("http.allowed_origins").where == f"{config}:5"
    assert loaded.origin("http.request_timeout").where == "SECURECONNECT__HTTP__REQUEST_TIMEOUT"
    assert loaded.origin("server.data_dir").where == "--data-dir"


def test_the_file_is_looked_for_here_and_then_in_the_data_directory(tmp_path: Path) -> None:
    data_dir = tmp_path / "elsewhere"
    data_dir.mkdir()
    (data_dir / "secureconnect.toml").write_text("[auth]\naccess_ttl = 7\n")
    for loaded in (
        load(environ={}, flags={"--data-dir": str(data_dir)}),
        load(environ={"SECURECONNECT__SERVER__DATA_DIR": str(data_dir)}),
    ):
        assert loaded.settings.auth.access_ttl == 7
    (tmp_path / "secureconnect.toml").write_text("[auth]\naccess_ttl = 8\n")
    assert load(environ={}, flags={"--data-dir": str(data_dir)}).settings.auth.access_ttl == 8


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("HTTP__DOCS_ENABLED", "false", False),
        ("HTTP__DOCS_ENABLED", "1", True),
        ("HTTP__REQUEST_TIMEOUT", "0.5", 0.5),
        (
            "HTTP__ALLOWED_ORIGINS",
            "https://a.example, https://b.example",
            ("https://a.example", "https://b.example"),
        ),
        ("HTTP__ALLOWED_ORIGINS", '["https://a.example"]', ("https://a.example",)),
        ("HTTP__ALLOWED_ORIGINS", "", ()),
        ("AUTH__REGISTRATION", "closed", "closed"),
        ("AUTH__ISSUER", "1", "1"),
    ],
)
def test_variables_are_read_as_the_type_of_their_setting(variable: str, text: str, expected: object) -> None:
    section, key = variable.lower().split("__")
    loaded = load(environ={f"SECURECONNECT__{variable}": text})
    assert getattr(getattr(loaded.settings, section), key) == expected


def test_other_variables_are_not_ours() -> None:
    assert (
        load(environ={"PATH": "x", "SECURECONNECT": "x", "SECURECONNECTX__A__B": "x"}).settings == Settings()
    )


def test_the_public_address_follows_the_port() -> None:
    assert load(environ={}, flags={"--port": "9001"}).settings.server.public_url == "http://localhost:9001"
    environ = {"SECURECONNECT__SERVER__PUBLIC_URL": "https://chat.example"}
    assert (
        load(environ=environ, flags={"--port": "9001"}).settings.server.public_url == "https://chat.example"
    )


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_secret_is_read_from_its_file_without_the_line_end(tmp_path: Path, ending: str) -> None:
    secret = tmp_path / "token"
    secret.write_bytes(b" a secret with blanks " + ending.encode())
    loaded = load(environ={"SECURECONNECT__OBSERVABILITY__METRICS_TOKEN_FILE": str(secret)})
    assert loaded.settings.observability.metrics_token == " a secret with blanks "
    assert loaded.origin("observability.metrics_token").source == "env"


def test_lists_of_secrets_in_a_file_may_stand_on_lines(tmp_path: Path) -> None:
    keys = ("A" * 43 + "=", "B" * 42 + "A=")
    (tmp_path / "old").write_text("\n".join(keys) + "\n")
    (tmp_path / "s.toml").write_text(f'[secrets]\nprevious_master_keys_file = "{tmp_path / "old"}"\n')
    assert load(environ={}, config=tmp_path / "s.toml").settings.secrets.previous_master_keys == keys


def test_settings_are_immutable_and_their_text_form_hides_secrets(tmp_path: Path) -> None:
    settings = load(environ={"SECURECONNECT__OBSERVABILITY__METRICS_TOKEN": "hush-hush"}).settings
    assert "hush-hush" not in repr(settings)
    with pytest.raises(AttributeError):
        settings.server.port = 1  # type: ignore[misc]
    assert msgspec.structs.replace(settings.server, port=1).port == 1


def test_paths_follow_the_data_directory_and_the_database_url(tmp_path: Path) -> None:
    assert load(environ={}, flags={"--data-dir": "d"}).settings.database_path == Path("d/secureconnect.db")
    environ = {"SECURECONNECT__DATABASE__URL": f"sqlite:///{tmp_path}/other.db"}
    assert load(environ=environ).settings.database_path == tmp_path / "other.db"
