"""`make stack`: SecureConnect with everything around it on this machine, until Ctrl-C."""

import argparse
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

from stack.local import Local, Wish
from stack.server import MissingProgram, NotReady

_LOOK = 1.0


def main() -> int:
    """Run it; the exit code is 0 when it was asked to stop, 1 when something did not come up or ended."""
    wish, directory = _arguments()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with tempfile.TemporaryDirectory(prefix="secureconnect-stack-", ignore_cleanup_errors=True) as temporary:
        place = directory or Path(temporary)
        began = time.monotonic()
        try:
            local = Local(place, wish, lambda line: print(line, flush=True))
        except MissingProgram as missing:
            print(missing, file=sys.stderr)
            return 1
        try:
            local.start()
            print(
                f"\nup after {time.monotonic() - began:.1f} s\n\n{_told(local)}\n\nCtrl-C stops it.",
                flush=True,
            )
            while not stopped.wait(_LOOK):
                for server in local.ended():
                    print(f"{server.name} ended:\n{server.last_words()}", file=sys.stderr)
                    return 1
        except (MissingProgram, NotReady, RuntimeError) as error:
            print(error, file=sys.stderr)
            return 1
        finally:
            local.stop()
    return 0


def _told(local: Local) -> str:
    lines = [
        ("clients", f"{local.nginx.url}   {local.nginx.tls_url} (its certificate: {local.certificate})"),
        *((role.name, role.url) for role in local.roles),
        ("PostgreSQL", local.postgres.url_of("secureconnect")),
        ("Valkey", local.valkey.url),
        ("S3", f"{local.seaweed.endpoint}   {local.keys.store_access} {local.keys.store_secret}"),
    ]
    if local.cassandra is not None:
        lines.append(("Cassandra", f"127.0.0.1:{local.cassandra.port}"))
    if local.coturn is not None:
        lines.append(("TURN", "   ".join(local.coturn.urls)))
    if local.livekit is not None:
        lines.append(("LiveKit", local.livekit.url))
    if local.prometheus is not None:
        lines.append(("Prometheus", local.prometheus.url))
    if local.alertmanager is not None:
        lines.append(("Alertmanager", local.alertmanager.url))
    lines.append(("logs and data", str(local.directory)))
    return "\n".join(f"  {name:<14} {value}" for name, value in lines)


def _arguments() -> tuple[Wish, Path | None]:
    parser = argparse.ArgumentParser(prog="make stack", description=__doc__)
    parser.add_argument("--cassandra", action="store_true", help="the timeline in a real Cassandra")
    parser.add_argument("--livekit", action="store_true", help="large calls by a real LiveKit")
    parser.add_argument("--no-coturn", action="store_true", help="without a TURN server")
    parser.add_argument("--no-monitoring", action="store_true", help="without Prometheus and Alertmanager")
    parser.add_argument("--processes", type=int, default=2, help="of chat and of video; 2 unless set")
    parser.add_argument("--port", type=int, help="where clients go; a free one unless set")
    parser.add_argument("--directory", type=Path, help="keeps logs and data here; else they go at the end")
    given = parser.parse_args()
    wish = Wish(
        cassandra=given.cassandra,
        livekit=given.livekit,
        coturn=not given.no_coturn,
        monitoring=not given.no_monitoring,
        processes=given.processes,
        port=given.port,
    )
    return wish, given.directory.resolve() if given.directory else None


if __name__ == "__main__":
    sys.exit(main())
