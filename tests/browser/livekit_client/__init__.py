"""LiveKit's own client for browsers, of the version that package-lock.json pins, kept outside of the tree."""

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from stack.server import MissingProgram

__all__ = ["livekit_client"]

_HERE = Path(__file__).parent
_FILES = ("package.json", "package-lock.json")
_SCRIPT = Path("node_modules/livekit-client/dist/livekit-client.umd.js")


@functools.cache
def livekit_client() -> Path:
    """The script, which makes `LivekitClient` global.

    Raises:
        MissingProgram: it is not here and cannot be installed.
    """
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "secureconnect"
    digest = hashlib.sha256((_HERE / _FILES[1]).read_bytes()).hexdigest()[:12]
    directory = caches / f"livekit-client-{digest}"
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / _SCRIPT).exists():
            _install(directory)
    return directory / _SCRIPT


def _install(directory: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise MissingProgram("LiveKit's client is missing, and there is no npm to install it with")
    for name in _FILES:
        shutil.copy(_HERE / name, directory / name)
    done = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"],
        cwd=directory,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise MissingProgram(f"LiveKit's client is missing:\n{done.stderr.decode(errors='replace')[-1000:]}")
