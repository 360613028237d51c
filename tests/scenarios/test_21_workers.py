"""Several processes on one port: `--workers N`."""

import asyncio
import os
import re
import signal
from pathlib import Path

import httpx

from stack.ports import free_port
from tests.scenarios.patience import eventually
from tests.scenarios.pieces import Piece, environment


def workers(piece: Piece) -> dict[str, int]:
    """Worker → process, of those that were started last."""
    found = re.findall(r'"worker started".*?"worker":(\d+),"worker_pid":(\d+)', piece.log.read_text())
    return {number: int(pid) for number, pid in found}


async def shown(client: httpx.AsyncClient) -> set[str]:
    """The workers that a scrape shows."""
    async with httpx.AsyncClient(base_url=client.base_url) as fresh:
        text = (await fresh.get("/metrics")).text
    assert text.count("# TYPE http_requests_total ") == 1
    return set(re.findall(r'build_info\{[^}]*worker="(\d+)"', text))


async def test_workers_share_a_port_and_are_started_again(tmp_path: Path) -> None:
    """On the gateway, which needs no stores."""
    port = free_port()
    arguments = ["serve", "gateway", "--host", "127.0.0.1", "--port", str(port), "--workers", "3"]
    piece = Piece("gateway", arguments, port=port, log=tmp_path / "gateway.log")
    await asyncio.to_thread(piece.launch, environment(), tmp_path)
    assert piece.process is not None
    try:
        async with httpx.AsyncClient(base_url=piece.url) as client:

            async def all_there() -> bool:
                try:
                    return await shown(client) == {"1", "2", "3"}
                except httpx.TransportError:
                    return False

            await eventually(all_there, 60)
            first = workers(piece)
            os.kill(first["2"], signal.SIGKILL)

            async def again() -> bool:
                return workers(piece)["2"] != first["2"] and await all_there()

            await eventually(again, 60)
            assert {**workers(piece), "2": 0} == {**first, "2": 0}
            assert '"a worker died"' in piece.log.read_text()
        piece.signal(signal.SIGTERM)
        assert await asyncio.to_thread(piece.process.wait, 30) == 0
        running = await asyncio.to_thread(os.listdir, "/proc")
        assert not {str(pid) for pid in workers(piece).values()} & set(running)
    finally:
        piece.process.kill()


async def test_workers_that_cannot_start_end_all(tmp_path: Path) -> None:
    """The certificate is read in each worker; a bad one is not tried again and again."""
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    port = free_port()
    arguments = ["serve", "gateway", "--host", "127.0.0.1", "--port", str(port), "--workers", "2"]
    piece = Piece("gateway", arguments, port=port, log=tmp_path / "gateway.log")
    settings = environment(server={"tls_cert_file": str(bad), "tls_key_file": str(bad)})
    await asyncio.to_thread(piece.launch, settings, tmp_path)
    assert piece.process is not None
    try:
        assert await asyncio.to_thread(piece.process.wait, 60) == 1
    finally:
        piece.process.kill()
