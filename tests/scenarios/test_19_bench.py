"""The bench command: scenario K8, shorter."""

from pathlib import Path

import pytest

from tests.scenarios.commands import secureconnect
from tests.scenarios.server import Server, free_port


@pytest.mark.parametrize("profile", ["chat", "sockets", "mixed"])
async def test_k8_bench(server: Server, tmp_path: Path, profile: str) -> None:
    """JSON with its percentiles, no errors, order kept, exit 0."""
    told = await secureconnect(
        "bench",
        "--json",
        "--url",
        server.url,
        *("--users", "6", "--rate", "20", "--duration", "3", "--profile", profile),
        cwd=tmp_path,
    )
    assert told.code == 0, (told.err, told.out)
    report = told.json
    assert (report["ok"], report["errors"]) == (True, {})
    assert set(report["promises"].values()) == {0}
    assert 0 < report["send_to_ack"]["p50"] <= report["send_to_ack"]["p95"] <= report["send_to_ack"]["p99"]
    if profile != "sockets":
        # Everybody else in the conversation gets each, and the smallest ones are pairs.
        assert report["sent"] == 60
        assert report["send_to_delivery"]["count"] >= 60
        assert report["send_to_delivery"]["p50"] > 0
    assert (profile == "mixed") == bool(report["api"])


async def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    told = await secureconnect("bench", "--url", f"http://127.0.0.1:{free_port()}", cwd=tmp_path)
    assert (told.code, "registers nobody" in told.err) == (1, True)
    assert "Traceback" not in told.err
    assert (await secureconnect("bench", "--users", "1", cwd=tmp_path)).code == 2
