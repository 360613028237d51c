"""The data directory: private, with keys that last, served by one process."""

import base64
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from secureconnect.app.data_dir import open_data_dir
from secureconnect.app.failure import Failure
from secureconnect.app.settings import Settings, load

KEY = bytes(range(32))

HOLDER = """
import sys
from secureconnect.app.data_dir import open_data_dir
from secureconnect.app.settings import load
with open_data_dir(load(environ={}, flags={"--data-dir": sys.argv[1]}).settings).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def settings(path: Path, **environ: str) -> Settings:
    variables = {f"SECURECONNECT__{name}": text for name, text in environ.items()}
    return load(environ=variables, flags={"--data-dir": str(path)}).settings


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_first_start_makes_everything_private(path: Path) -> None:
    made = open_data_dir(settings(path))
    assert [mode(directory) for directory in (path, path / "objects", path / "secrets")] == [0o700] * 3
    assert {file.name: mode(file) for file in (path / "secrets").iterdir()} == {
        "master_key": 0o600,
        "cursor_key": 0o600,
        "vapid_key": 0o600,
    }
    assert made.database == path / "secureconnect.db"
    assert len(made.master_key) == len(made.cursor_key) == 32
    assert made.master_key != made.cursor_key


def test_keys_last(path: Path) -> None:
    assert open_data_dir(settings(path)) == open_data_dir(settings(path))


def test_keys_that_others_may_read_are_closed_again(path: Path) -> None:
    open_data_dir(settings(path))
    (path / "secrets" / "master_key").chmod(0o644)
    open_data_dir(settings(path))
    assert mode(path / "secrets" / "master_key") == 0o600


def test_given_keys_win_and_none_is_made(path: Path) -> None:
    text = base64.b64encode(KEY).decode()
    made = open_data_dir(settings(path, SECRETS__MASTER_KEY=text, SECRETS__PREVIOUS_MASTER_KEYS=text))
    assert made.master_key == KEY
    assert made.previous_master_keys == (KEY,)
    assert not (path / "secrets" / "master_key").exists()


def test_the_text_form_hides_the_keys(path: Path) -> None:
    assert repr(open_data_dir(settings(path))) == f"DataDirectory({str(path)!r})"


def test_a_lost_master_key_is_not_replaced(path: Path) -> None:
    made = open_data_dir(settings(path))
    made.database.touch()
    (path / "secrets" / "master_key").unlink()
    with pytest.raises(Failure, match=r"master_key is missing, but .*secureconnect\.db exists"):
        open_data_dir(settings(path))
    assert not (path / "secrets" / "master_key").exists()


def test_a_damaged_key_is_not_replaced(path: Path) -> None:
    open_data_dir(settings(path))
    (path / "secrets" / "cursor_key").write_text("not a key")
    with pytest.raises(Failure, match="does not hold 32 bytes in base64"):
        open_data_dir(settings(path))
    assert (path / "secrets" / "cursor_key").read_text() == "not a key"


def test_a_directory_that_cannot_be_made(path: Path) -> None:
    path.write_text("a file")
    with pytest.raises(Failure, match="cannot be used: File exists"):
        open_data_dir(settings(path))


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_one_process_at_a_time(path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(Failure, match=rf"in use by another SecureConnect process \(pid {holder.pid}\)"):
        open_data_dir(settings(path)).lock()
    assert holder.poll() is None


def test_a_killed_process_leaves_the_directory_free(path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    with open_data_dir(settings(path)).lock():
        pass


def test_the_lock_is_given_back(path: Path) -> None:
    directory = open_data_dir(settings(path))
    for _ in range(2):
        with directory.lock(), pytest.raises(Failure):
            directory.lock()


def test_a_database_elsewhere_is_locked_too(path: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shared.db"
    first = open_data_dir(settings(path, DATABASE__URL=url))
    second = open_data_dir(settings(tmp_path / "other", DATABASE__URL=url))
    with first.lock():
        with pytest.raises(Failure, match="in use by another SecureConnect process"):
            second.lock()
        with open_data_dir(settings(tmp_path / "other")).lock():
            pass
