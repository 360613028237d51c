"""Puts the commit that the wheel is built from into it; `secureconnect version` tells it."""

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CommitHook(BuildHookInterface[Any]):
    """Adds `secureconnect/COMMIT` when the source is a git checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        git = shutil.which("git")
        if version == "editable" or git is None or not (Path(self.root) / ".git").exists():
            return
        asked = subprocess.run(  # noqa: S603 - our own arguments
            [git, "-C", self.root, "rev-parse", "HEAD"], capture_output=True, text=True, check=False
        )
        if asked.returncode == 0:
            self._folder = tempfile.TemporaryDirectory()
            file = Path(self._folder.name) / "COMMIT"
            file.write_text(asked.stdout, "ascii")
            build_data["force_include"][str(file)] = "secureconnect/COMMIT"

    def finalize(self, *_: object) -> None:
        if folder := getattr(self, "_folder", None):
            folder.cleanup()
