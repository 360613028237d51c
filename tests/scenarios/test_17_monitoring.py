"""O8: a real alert reaches a webhook through Prometheus and Alertmanager; every panel has data."""

import asyncio
import contextlib
import http.server
import importlib.util
import json
import threading
import time
import urllib.parse
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from stack.monitoring import DEPLOY, Alertmanager, Prometheus
from stack.server import MissingProgram, ServerProcess
from stack.valkey import Valkey
from tests.scenarios.conftest import Register, Serve
from tests.scenarios.files import file
from tests.scenarios.server import Server
from tests.scenarios.steps import direct, send, ws

pytestmark = pytest.mark.only_on("embedded", reason="it arranges its own processes and stores")

_PATIENCE = 90.0


@contextlib.asynccontextmanager
async def up(server: ServerProcess) -> AsyncIterator[None]:
    """Run a server of the stack for the length of the block, or say why the test cannot."""
    try:
        await asyncio.to_thread(server.start)
    except MissingProgram as missing:
        pytest.skip(str(missing))
    try:
        yield
    finally:
        await asyncio.to_thread(server.close)


class _Hook(http.server.BaseHTTPRequestHandler):
    told: list[dict[str, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.told.extend(body["alerts"])
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An address, and the alerts that came there."""
    told: list[dict[str, Any]] = []
    handler = type("Hook", (_Hook,), {"told": told})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/", told
        server.shutdown()
        thread.join()


def hurried(folder: Path) -> list[Path]:
    """The shipped rules, their expressions untouched, with seconds where they have minutes."""
    made = []
    for path in sorted((DEPLOY / "prometheus" / "rules").glob("*.yml")):
        text = path.read_text().replace("interval: 30s", "interval: 1s").replace("for: 1m", "for: 2s")
        made.append(folder / path.name)
        made[-1].write_text(text)
    return made


def configured(folder: Path, url: str) -> Path:
    """The shipped configuration with an address, and with less waiting."""
    text = (DEPLOY / "alertmanager" / "alertmanager.yml.template").read_text()
    config = folder / "alertmanager.yml"
    config.write_text(text.replace("@ALERT_WEBHOOK_URL@", url).replace(": 10s", ": 1s"))
    return config


def by_name(told: list[dict[str, Any]], status: str) -> set[str]:
    return {alert["labels"]["alertname"] for alert in told if alert["status"] == status}


async def until(told: list[dict[str, Any]], status: str, *names: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not set(names) <= by_name(told, status):
        assert time.monotonic() < deadline, (status, names, told)
        await asyncio.sleep(0.1)


async def test_o8_alerts_travel(serve: Serve, tmp_path: Path) -> None:
    """Redis stops: RedisUnavailable fires, and ends when it is back. The process stops: ServiceDown."""
    valkey = Valkey(tmp_path / "valkey")
    async with up(valkey):
        with webhook() as (url, told):
            alertmanager = Alertmanager(tmp_path / "alertmanager", configured(tmp_path, url))
            async with up(alertmanager), serve(redis={"url": valkey.url}) as server:
                prometheus = Prometheus(
                    tmp_path / "prometheus",
                    {"secureconnect": [f"127.0.0.1:{server.port}"]},
                    alertmanager=alertmanager.address,
                    interval="1s",
                    rules=hurried(tmp_path),
                )
                async with up(prometheus):
                    await asyncio.to_thread(valkey.stop)
                    await until(told, "firing", "RedisUnavailable")
                    (alert,) = [each for each in told if each["labels"]["alertname"] == "RedisUnavailable"][
                        :1
                    ]
                    assert alert["labels"]["severity"] == "critical"
                    assert alert["annotations"]["runbook"] == "docs/runbooks/redis.md"
                    await asyncio.to_thread(valkey.start)
                    await until(told, "resolved", "RedisUnavailable")
                    server.kill()
                    await until(told, "firing", "ServiceDown")


async def test_o8_every_panel_has_data(serve: Serve, reg: Register, tmp_path: Path) -> None:
    """Each query of the shipped dashboard, asked of a real Prometheus that watches a used server."""
    valkey = Valkey(tmp_path / "valkey")
    section = {"dir": str(tmp_path / "backups"), "schedule": "* * * * *"}
    async with up(valkey), serve(redis={"url": valkey.url}, backup=section) as server:
        prometheus = Prometheus(
            tmp_path / "prometheus", {"secureconnect": [f"127.0.0.1:{server.port}"]}, interval="1s"
        )
        async with up(prometheus):
            await use(server, reg)
            waiting = queries()
            assert len(waiting) >= 50
            deadline = time.monotonic() + _PATIENCE
            while waiting := [expr for expr in waiting if not await asked(prometheus.url, expr)]:
                assert time.monotonic() < deadline, waiting
                await asyncio.sleep(0.5)


async def use(server: Server, reg: Register) -> None:
    """A little of everything that panels show."""
    a, b = await reg("a", "b", url=server.url)
    conversation = (await direct(a, b))["conversation_id"]
    async with ws(b) as chat:
        for number in range(5):
            (await send(a, conversation, f"text {number}")).ok(201)
        await chat.frame(type="event")
    await file(a, b"1234")
    await a.login()


def queries() -> list[str]:
    spec = importlib.util.spec_from_file_location("panels", DEPLOY / "grafana" / "panels.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.expressions())


async def asked(url: str, expr: str) -> bool:
    """Whether there is an answer with a value."""
    query = urllib.parse.urlencode({"query": expr})
    async with httpx.AsyncClient(verify=False) as client:
        answer = (await client.get(f"{url}/api/v1/query?{query}")).json()
    assert answer["status"] == "success", (expr, answer)
    return bool(answer["data"]["result"])
