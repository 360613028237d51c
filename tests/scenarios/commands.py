"""The command line of the product, run as an operator runs it."""

import asyncio
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from tests.scenarios.pieces import FORKS
from tests.scenarios.server import Server, environment
from tests.scenarios.steps import PASSWORD, Person, stranger

__all__ = ["Outcome", "make_admin", "secureconnect"]

_PATIENCE = 90.0


class Outcome(NamedTuple):
    """How a command ended and what it said."""

    code: int
    out: bytes
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


async def secureconnect(
    *arguments: str | Path, cwd: Path, beside: Server | None = None, **sections: Any
) -> Outcome:
    """Run `secureconnect …` in `cwd` until it ends by itself: with settings as environment variables, or with
    those of the server `beside` it.
    """
    settings = environment(**sections) if beside is None else beside.environment
    return await asyncio.to_thread(_run, [str(argument) for argument in arguments], cwd, settings)


def _run(arguments: list[str], cwd: Path, settings: dict[str, str]) -> Outcome:
    with TemporaryDirectory() as kept:
        out, err = Path(kept, "out"), Path(kept, "err")
        process = FORKS.fork(arguments, environment=settings, directory=cwd, log=out, errors=err)
        try:
            code = process.wait(_PATIENCE)
        finally:
            process.kill()
        return Outcome(code, out.read_bytes(), err.read_text())


async def make_admin(server: Server, name: str = "admin") -> Person:
    """A server admin made with `createadmin` beside the running server, and logged in."""
    person = stranger(server.url, name)
    password = server.data_dir.parent / f"{person.username}.password"
    password.write_text(f"{PASSWORD}\n")
    log = password.with_suffix(".log")
    arguments = ["createadmin", "--data-dir", str(server.data_dir), "--email", person.email]
    arguments += ["--username", person.username, "--password-file", str(password)]
    process = FORKS.fork(arguments, environment=server.environment, directory=log.parent, log=log)
    assert await asyncio.to_thread(process.wait, 2 * _PATIENCE) == 0, log.read_text()
    admin = await person.login()
    admin.user_id = (await admin.get("/v1/auth/profile")).ok()["user_id"]
    return admin
