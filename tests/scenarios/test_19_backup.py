"""Backup and restore: scenarios K4 and K5."""

import asyncio
import json
import shutil
import signal
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.commands import Outcome, secureconnect
from tests.scenarios.conftest import Register, Serve
from tests.scenarios.files import download, fetch, file
from tests.scenarios.server import Server, environment
from tests.scenarios.steps import Person, direct, send, whole_log, ws

pytestmark = pytest.mark.only_on("embedded", reason="it is about the data directory of one process")


async def backup(server: Server, out: Path, *more: str | Path) -> Outcome:
    """`backup` beside a running server."""
    return await secureconnect(
        "backup", "--data-dir", server.data_dir, "--out", out, "--json", *more, cwd=server.data_dir.parent
    )


async def restore(archive: Path, data_dir: Path, *more: str | Path) -> Outcome:
    return await secureconnect(
        "restore", "--data-dir", data_dir, "--in", archive, "--json", *more, cwd=archive.parent
    )


class Talker:
    """Sends without a pause and remembers what was acknowledged."""

    def __init__(self, person: Person, conversation_id: str) -> None:
        self.acked: list[dict[str, Any]] = []
        self._person = person
        self._conversation_id = conversation_id
        self._task = asyncio.create_task(self._talk())

    async def _talk(self) -> None:
        while True:
            sent = await send(self._person, self._conversation_id, f"text {len(self.acked)}")
            self.acked.append(sent.data)

    async def said(self, count: int) -> None:
        while len(self.acked) < count:
            assert not self._task.done(), self._task.result()
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def test_k4_a_backup_restores(serve: Serve, reg: Register, tmp_path: Path) -> None:
    """Under load; verified; one byte flipped; restored; everything acknowledged before is there."""
    archive, passphrase = tmp_path / "one.backup", tmp_path / "passphrase"
    passphrase.write_text("Orange-Ladder-Moss-19\n")
    closed = ("--passphrase-file", passphrase)
    async with serve() as server:
        a, b = await reg("a", "b", url=server.url)
        conversation = (await direct(a, b))["conversation_id"]
        content = bytes(range(256)) * 20_000  # more than one block
        file_id = await file(a, content, "application/octet-stream")
        talker = Talker(a, conversation)
        await talker.said(20)
        before = list(talker.acked)
        made = await backup(server, archive, *closed)
        assert made.code == 0, made.err
        assert "warning" not in made.err
        await talker.said(len(before) + 1)
        await talker.stop()
        ahead = talker.acked[-1]["seq"]
        assert (await backup(server, archive, *closed)).code == 1, "it never replaces a file"
        assert (made.json["encrypted"], made.json["objects"]) == (True, 1)
        assert b"text 1" not in archive.read_bytes()

        verified = await restore(archive, tmp_path / "nowhere", "--verify", *closed)
        assert verified.code == 0, verified.err
        assert verified.json["rows"] == made.json["rows"]
        assert not (tmp_path / "nowhere").exists()
        wrong = tmp_path / "wrong"
        wrong.write_text("Orange-Ladder-Moss-18\n")
        refused = await restore(archive, tmp_path / "nowhere", "--verify", "--passphrase-file", wrong)
        assert (refused.code, "passphrase" in refused.err) == (1, True)
        flipped = tmp_path / "flipped.backup"
        data = bytearray(archive.read_bytes())
        data[len(data) // 2] ^= 1
        flipped.write_bytes(data)
        for more in (("--verify",), ()):
            refused = await restore(flipped, tmp_path / "nowhere", *more, *closed)
            assert (refused.code, "altered" in refused.err) == (1, True), refused.err
            assert "Traceback" not in refused.err
        assert not (tmp_path / "nowhere" / "secureconnect.db").exists()

    # The second server gets the directory that `serve` will use.
    target = tmp_path / "data1"
    done = await restore(archive, target, *closed)
    assert done.code == 0, done.err
    assert done.json["settled"]["sessions_revoked"] == 2
    async with serve() as restored:
        assert restored.data_dir == target
        for person in (a, b):
            person.url = restored.url
            (await person.get("/v1/users/me")).is_error(401, "TOKEN_REVOKED")
            stale = await person.post("/v1/auth/refresh", {"refresh_token": person.refresh})
            assert stale.status == 401
            await log_in(person)
        log = {event["seq"]: event for event in await whole_log(b, conversation)}
        for sent in before:
            assert log[sent["seq"]]["data"]["message"]["message_id"] == sent["message_id"]
        assert list(log) == list(range(1, len(log) + 1))
        url = (await download(a, file_id)).ok()["download_url"]
        assert (await fetch(url)).raw == content

        async with ws(b, hello=False) as chat:
            answer = await chat.command("hello", resume={conversation: ahead + 5})
            outcome = answer["resume"][conversation]
            assert (outcome["recovered"], outcome["reason"]) == (False, "ahead")
            assert outcome["last_seq"] == len(log)
        (await send(a, conversation, "goes on")).ok(201)


async def log_in(person: Person) -> None:
    fresh = await person.login()
    person.access, person.refresh, person.session_id = fresh.access, fresh.refresh, fresh.session_id


async def test_k5_what_is_there_stays_without_force(serve: Serve, reg: Register, tmp_path: Path) -> None:
    """A target that holds something is refused, replaced with --force, and finished after a kill."""
    archive = tmp_path / "one.backup"
    async with serve() as server:
        a, b = await reg("a", "b", url=server.url)
        conversation = (await direct(a, b))["conversation_id"]
        for number in range(5):
            await send(a, conversation, f"text {number}")
        for number in range(30):
            await file(a, b"%d" % number * 1000, "application/octet-stream")
        made = await backup(server, archive)
        assert (made.code, "warning" in made.err) == (0, True)
        # One serves here: nobody may pull the store away from under it.
        busy = await restore(archive, server.data_dir, "--force")
        assert (busy.code, "in use" in busy.err) == (1, True)

    other = tmp_path / "data1"
    async with serve() as second:
        (c,) = await reg("c", url=second.url)
        await file(c, b"of somebody else", "application/octet-stream")
        assert second.data_dir == other
    kept = (other / "secureconnect.db").read_bytes()
    refused = await restore(archive, other)
    assert (refused.code, "--force" in refused.err) == (1, True)
    assert (other / "secureconnect.db").read_bytes() == kept

    started = asyncio.get_running_loop().time()
    whole = await restore(archive, tmp_path / "timed")
    assert whole.code == 0, whole.err
    took = asyncio.get_running_loop().time() - started
    stopped_at = set[str]()
    for fraction in (0.5, 0.7, 0.85):
        target = tmp_path / f"killed-{fraction}"
        shutil.copytree(other, target)
        stopped_at.add(await kill_restore(archive, target, took * fraction))
        await finish(archive, target)
    assert stopped_at - {"ended"}, "no restore was killed while it ran"

    done = await restore(archive, other, "--force", "--keep-sessions")
    assert done.code == 0, done.err
    assert done.json["settled"]["objects_removed"] == 1
    async with serve() as third:  # data2, empty
        assert third.data_dir == tmp_path / "data2"
    shutil.rmtree(tmp_path / "data3", ignore_errors=True)
    other.rename(tmp_path / "data3")
    async with serve() as restored:
        a.url = restored.url
        (await a.get("/v1/users/me")).ok()  # sessions were kept
        assert len(await whole_log(a, conversation)) == 6


async def kill_restore(archive: Path, target: Path, after: float) -> str:
    """Kill a forced restore; says how far it came."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "secureconnect",
        "restore",
        "--data-dir",
        str(target),
        "--in",
        str(archive),
        "--force",
        env=environment(),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(after):
            await process.wait()
    except TimeoutError:
        process.send_signal(signal.SIGKILL)
        await process.wait()
    if process.returncode == 0:
        return "ended"
    return "placing" if (target / "restoring").exists() else "checking"


async def finish(archive: Path, target: Path) -> None:
    """Run it again; a server does not start before that."""
    if (target / "restoring").exists():
        refused = await secureconnect("serve", "--data-dir", target, "--port", "0", cwd=archive.parent)
        assert (refused.code, "restore" in refused.err) == (1, True)
        again = await restore(archive, target)  # the mark says that it may
    else:
        again = await restore(archive, target, "--force")
    assert again.code == 0, again.err
    assert not (target / "restoring").exists()
    with sqlite3.connect(target / "secureconnect.db") as raw:
        (users,) = raw.execute("SELECT count(*) FROM users").fetchone()
    raw.close()
    objects = [path for path in (target / "objects" / "users").rglob("*") if path.is_file()]
    assert (users, len(objects)) == (2, 30)


@pytest.mark.parametrize("what", ["not a backup", ""])
async def test_what_is_no_backup_is_refused(tmp_path: Path, what: str) -> None:
    archive = tmp_path / "text"
    archive.write_text(what)
    refused = await restore(archive, tmp_path / "data")
    assert (refused.code, "cannot be restored" in refused.err) == (1, True)
    missing = await restore(tmp_path / "missing", tmp_path / "data")
    assert (missing.code, "missing" in missing.err) == (1, True)
    assert "Traceback" not in refused.err + missing.err


async def test_the_server_makes_backups_by_itself(serve: Serve, reg: Register, tmp_path: Path) -> None:
    """One whose time went by is made soon after the start, verified, and old ones go."""
    folder = tmp_path / "backups"
    folder.mkdir()
    old = folder / "secureconnect-20200101T000000Z.backup"
    old.write_bytes(b"old")
    section = {"dir": str(folder), "schedule": "* * * * *", "retention_days": 30, "passphrase": "x" * 20}
    async with serve(backup=section) as server:
        await reg("a", url=server.url)
        deadline = time.monotonic() + 90
        while old.exists():
            assert time.monotonic() < deadline, server.lines()[-5:]
            await asyncio.sleep(0.1)
        (made,) = [path for path in folder.iterdir() if path.suffix == ".backup"][:1]
        told = [json.loads(line) for line in server.lines() if '"backup made"' in line]
        assert told[0]["path"] == str(made)
    verified = await secureconnect(
        "restore", "--in", made, "--verify", cwd=tmp_path, backup={"passphrase": "x" * 20}
    )
    assert verified.code == 0, verified.err
    assert "x" * 20 not in "".join(server.lines())
