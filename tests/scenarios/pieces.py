"""One process of a server, and how the pieces of a server are arranged by profile."""

import os
import signal
import sqlite3
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

from stack.forks import Forked, ForkServer
from tests.scenarios.tables import SqliteTables, Tables

__all__ = ["FORKS", "LOGS", "Arrangement", "Embedded", "Piece", "Sections", "environment"]

Sections = Mapping[str, Mapping[str, Any]]

#: Each of our processes is forked from one that has imported the product: three starts for the price of one.
FORKS = ForkServer()
#: What the processes of this run wrote to.
LOGS: set[Path] = set()


def environment(**sections: Mapping[str, Any]) -> dict[str, str]:
    """Settings as environment variables: `environment(auth={"access_ttl": 2})`."""
    variables = {
        f"SECURECONNECT__{section}__{key}".upper(): str(value).lower()
        if isinstance(value, bool)
        else str(value)
        for section, values in sections.items()
        for key, value in values.items()
    }
    # Without its byte code a process needs a second more to start.
    inherited = {
        name: value
        for name, value in os.environ.items()
        if "SECURECONNECT" not in name and name != "PYTHONDONTWRITEBYTECODE"
    }
    return {**inherited, **variables}


class Piece:
    """One process: `secureconnect ARGUMENTS` on `port`. It may end and be started again."""

    def __init__(
        self, name: str, arguments: list[str], *, port: int, log: Path, settings: Sections | None = None
    ) -> None:
        self.name = name
        self.port = port
        self.log = log
        self.process: Forked | None = None
        self._arguments = arguments
        self._settings = environment(**settings) if settings else {}
        self._clock: Path | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def launch(self, shared: Mapping[str, str], directory: Path) -> None:
        """Start it with the settings of its server and its own."""
        LOGS.add(self.log)
        own = {**self._settings, **({"STACK_CLOCK": str(self._clock)} if self._clock else {})}
        self.process = FORKS.fork(
            self._arguments, environment={**shared, **own}, directory=directory, log=self.log
        )

    def set_ahead(self, seconds: float) -> None:
        """Step its wall clock; before the first start, so that it has one of its own."""
        if self._clock is None:
            self._clock = self.log.with_suffix(".clock")
        with self._clock.open("r+b" if self._clock.exists() else "wb") as file:
            file.write(int(seconds * 1e9).to_bytes(8, sys.byteorder, signed=True))

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it runs."""
        if self.process is not None:
            self.process.send_signal(number)


class Arrangement(ABC):
    """What a server consists of. `pieces` are in the order of starting; the last one is where clients go."""

    pieces: list[Piece]

    @property
    @abstractmethod
    def tables(self) -> Tables:
        """Its relational store."""

    @abstractmethod
    def settings(self, given: Sections) -> Sections:
        """The settings of all pieces, where `given` is what a scenario asks for."""

    @property
    def indexes(self) -> list[Tables]:
        """Where the index of searches is, if not among the tables."""
        return []

    @abstractmethod
    def search_terms(self) -> set[str]:
        """Every term of the index of searches."""

    @abstractmethod
    def object_keys(self) -> list[str]:
        """Where every object lies."""

    @abstractmethod
    def without_objects(self) -> AbstractContextManager[None]:
        """The object store cannot be used while the block runs."""

    def prepare(self) -> None:  # noqa: B027  # most have nothing to make
        """Make what has to be there before each start."""

    def close(self) -> None:  # noqa: B027
        """Give up what only this server used."""


class Embedded(Arrangement):
    """`secureconnect serve --data-dir DIR`, and nothing else."""

    def __init__(self, data_dir: Path, port: int) -> None:
        self._data_dir = data_dir
        arguments = ["serve", "--data-dir", str(data_dir), "--port", str(port)]
        log = data_dir.parent / f"{data_dir.name}.log"
        self.pieces = [Piece("secureconnect", arguments, port=port, log=log)]

    @property
    def tables(self) -> Tables:
        return SqliteTables(self._data_dir / "secureconnect.db")

    @property
    def indexes(self) -> list[Tables]:
        return [SqliteTables(self._data_dir / "search.db")]

    def search_terms(self) -> set[str]:
        with closing(sqlite3.connect(self._data_dir / "search.db", timeout=10)) as database:
            database.execute("CREATE VIRTUAL TABLE temp.v USING fts5vocab('main', 'search_words', 'row')")
            return {term for (term,) in database.execute("SELECT term FROM temp.v")}

    def object_keys(self) -> list[str]:
        place = self._data_dir / "objects"
        return [str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()]

    @contextmanager
    def without_objects(self) -> Iterator[None]:
        place = self._data_dir / "objects"
        away = place.rename(self._data_dir / "elsewhere")
        yield
        away.rename(place)

    def settings(self, given: Sections) -> Sections:
        return given
