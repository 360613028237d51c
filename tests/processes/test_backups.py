"""Backups that two processes make by themselves, of PostgreSQL and S3, while people write."""

import asyncio
from pathlib import Path

import pytest

from tests.faults.plan import LONG
from tests.processes.pair import at, lines, metric, two_processes
from tests.scenarios.commands import secureconnect
from tests.scenarios.files import file
from tests.scenarios.patience import eventually
from tests.scenarios.steps import direct, register, send, stranger
from tests.scenarios.stores import KEYS

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(not LONG, reason="a schedule knows minutes: FAULTS=long runs it"),
    pytest.mark.only_on("embedded", reason="a timeline in Cassandra is refused"),
]


async def test_one_of_them_makes_each_backup_and_it_restores(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    section = {"dir": str(folder), "schedule": "* * * * *", "passphrase": "a passphrase of tests"}
    async with two_processes(tmp_path, backup=section) as pair:
        ann = await register(stranger(pair.one.url, "ann"))
        ben = at(pair.two, await register(stranger(pair.two.url, "ben")))
        chat = (await direct(ann, ben))["conversation_id"]
        await file(ann, b"1234" * 1000)
        acked = 0

        async def writing() -> None:
            nonlocal acked
            while True:
                acked = (await send((ann, ben)[acked % 2], chat, f"text {acked}")).ok(201)["seq"]

        async def made() -> bool:
            return len(await asyncio.to_thread(lambda: sorted(folder.glob("secureconnect-*")))) > 0 and any(
                lines(piece, message="backup made") for piece in pair.pieces
            )

        writer = asyncio.create_task(writing())
        try:
            await eventually(made, 180)
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        told = [line for piece in pair.pieces for line in lines(piece, message="backup made")]
        found = [path for path in sorted(folder.iterdir()) if not path.name.endswith(".unverified")]
        assert len(told) == len({line["path"] for line in told}) == len(found), "each was made once"
        newest = [await metric(piece, "backup_last_success_timestamp_seconds") for piece in pair.pieces]
        assert newest[0] == newest[1] > 0, "both know of it"
        passphrase = tmp_path / "passphrase"
        passphrase.write_text("a passphrase of tests\n")
        command: list[str | Path] = ["restore", "--in", found[0], "--passphrase-file", passphrase, "--json"]
        verified = await secureconnect(*command, "--verify", cwd=tmp_path)
        assert verified.code == 0, verified.err
        assert verified.json["objects"] == 1
        key = {"master_key": KEYS.master}  # which settings give, and no backup holds
        place: list[str | Path] = ["--data-dir", tmp_path / "restored"]
        restored = await secureconnect(*command, *place, cwd=tmp_path, secrets=key)
        assert restored.code == 0, restored.err
        deep = await secureconnect("doctor", "--deep", "--json", *place, cwd=tmp_path, secrets=key)
        broken = [check for check in deep.json["checks"] if check["status"] == "fail"]
        assert broken == []
        print(f"{found[0].stat().st_size} bytes, {verified.json['rows']} rows, {acked} events acknowledged")
