"""Where log lines of a command go: standard output is for what it was asked for."""

import contextlib
import sys

__all__ = ["logs_to_stderr"]


def logs_to_stderr(level: str = "warn") -> None:
    """Write log lines of this level and above to standard error."""
    from secureconnect.infra.telemetry import log as logs

    with contextlib.redirect_stdout(sys.stderr):  # which is what `configure` takes for its stream
        logs.configure(service="secureconnect", level=level)
