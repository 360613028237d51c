"""A real Cassandra server of one node, on Java, with its jars from Maven Central.

No package of a distribution has it, so Maven resolves the jars once (cassandra-pom.xml pins the version) into
`.cache/` beside this directory. Java 17 and Maven are all it takes.
"""

import fcntl
import hashlib
import json
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from stack.ports import free_ports
from stack.server import MissingProgram, ServerProcess

__all__ = ["Cassandra"]

_POM = Path(__file__).with_name("cassandra-pom.xml")
_CACHE = Path(__file__).parent.parent / ".cache"
_MAIN = "org.apache.cassandra.service.CassandraDaemon"

# What the server needs of the inside of Java 17.
_EXPORTS = (
    "java.base/java.lang.ref",
    "java.base/jdk.internal.misc",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.sql/java.sql",
    "jdk.attach/sun.tools.attach",
    "jdk.compiler/com.sun.tools.javac.file",
    "jdk.unsupported/sun.misc",
)
_OPENS = (
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.module",
    "java.base/java.lang.reflect",
    "java.base/java.util",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.util.jar",
    "java.base/sun.nio.ch",
    "jdk.compiler/com.sun.tools.javac",
    "jdk.management/com.sun.management.internal",
)
_LOGGING = """<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level %date{HH:mm:ss.SSS} [%thread] %logger{20} %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="OUT"/></root>
</configuration>
"""
# OPTIONS of the native protocol, version 4: every server answers it before anybody has logged in.
_OPTIONS = bytes([4, 0, 0, 0, 5, 0, 0, 0, 0])


class Cassandra(ServerProcess):
    """One node in the data centre `datacenter1`, without users.

    A write is on disk before it is acknowledged (`commitlog_sync: batch`): what a killed node acknowledged is
    there when it comes back. Without `lasting_schema` its tables are not, and are made in a quarter of the
    time.
    """

    name = "cassandra"
    datacenter = "datacenter1"

    def __init__(self, directory: Path, *, heap: str = "768M", lasting_schema: bool = True) -> None:
        super().__init__(directory)
        self.port, self._storage_port = free_ports(2)
        self._heap = heap
        self._lasting_schema = lasting_schema
        self._java, self._jars = _java(), _jars()

    def prepare(self) -> None:
        (self.directory / "logback.xml").write_text(_LOGGING)
        # JSON is YAML.
        (self.directory / "cassandra.yaml").write_text(json.dumps(self._settings(), indent=2))

    def command(self) -> Sequence[str]:
        modules = [word for name in _EXPORTS for word in ("--add-exports", f"{name}=ALL-UNNAMED")]
        modules += [word for name in _OPENS for word in ("--add-opens", f"{name}=ALL-UNNAMED")]
        properties = {
            "cassandra.config": (self.directory / "cassandra.yaml").as_uri(),
            "cassandra.storagedir": str(self.directory / "data"),
            "logback.configurationFile": str(self.directory / "logback.xml"),
            "cassandra-foreground": "true",
            # As the how-to for clusters says: requests of many sends are larger than servers expect.
            "cassandra.config.allow_system_properties": "true",
            "cassandra.settings.batch_size_warn_threshold": "32KiB",
            "cassandra.settings.unlogged_batch_across_partitions_warn_threshold": "40",
            # One node has nobody to wait for.
            "cassandra.initial_token": "0",
            "cassandra.skip_wait_for_gossip_to_settle": "0",
            "cassandra.ring_delay_ms": "0",
            "cassandra.superuser_setup_delay_ms": "-1",
            # With "false" tables are made and emptied in milliseconds, and lost with the process.
            "cassandra.test.flush_local_schema_changes": str(self._lasting_schema).lower(),
            "cassandra.unsafesystem": str(not self._lasting_schema).lower(),
            "io.netty.tryReflectionSetAccessible": "true",
            "java.net.preferIPv4Stack": "true",
            "jdk.attach.allowAttachSelf": "true",
        }
        return [
            self._java,
            f"-Xms{self._heap}",
            f"-Xmx{self._heap}",
            # It runs for minutes: what makes a server of months faster makes this one start slower.
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:+PerfDisableSharedMem",
            "-XX:+ExitOnOutOfMemoryError",
            *modules,
            *(f"-D{name}={value}" for name, value in properties.items()),
            "-cp",
            f"{self._jars}/*",
            _MAIN,
        ]

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as link:
                link.settimeout(1)
                link.sendall(_OPTIONS)
                return len(link.recv(9)) > 0
        except OSError:
            return False

    def wait(self, seconds: float = 120.0) -> None:
        super().wait(seconds)

    def start(self, seconds: float = 120.0) -> None:
        super().start(seconds)

    def _settings(self) -> dict[str, object]:
        data = self.directory / "data"
        return {
            "cluster_name": "secureconnect",
            "num_tokens": 1,
            "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
            "endpoint_snitch": "SimpleSnitch",
            "seed_provider": [
                {
                    "class_name": "org.apache.cassandra.locator.SimpleSeedProvider",
                    "parameters": [{"seeds": f"127.0.0.1:{self._storage_port}"}],
                }
            ],
            "listen_address": "127.0.0.1",
            "storage_port": self._storage_port,
            "rpc_address": "127.0.0.1",
            "native_transport_port": self.port,
            "data_file_directories": [str(data / "tables")],
            "commitlog_directory": str(data / "commitlog"),
            "cdc_raw_directory": str(data / "cdc"),
            "hints_directory": str(data / "hints"),
            "saved_caches_directory": str(data / "caches"),
            "commitlog_sync": "batch",
            "commitlog_segment_size": "16MiB",
            "commit_failure_policy": "stop",
            "disk_failure_policy": "stop",
            "hinted_handoff_enabled": False,
            "auto_bootstrap": False,
            "auto_snapshot": False,
            "concurrent_reads": 8,
            "concurrent_writes": 8,
            "memtable_heap_space": "96MiB",
            "memtable_offheap_space": "64MiB",
        }


def _java() -> str:
    java = shutil.which("java")
    if java is None:
        raise MissingProgram("Cassandra needs Java 17 (`java` on the PATH): Debian's package openjdk-17-jre")
    return java


def _jars() -> Path:
    """The directory of the jars, resolved by Maven when it is first asked for."""
    found = _CACHE / f"cassandra-{hashlib.sha256(_POM.read_bytes()).hexdigest()[:12]}"
    if found.exists():
        return found
    maven = shutil.which("mvn")
    if maven is None:
        raise MissingProgram("Maven fetches Cassandra's jars (`mvn` on the PATH): Debian's package maven")
    _CACHE.mkdir(exist_ok=True)
    with (_CACHE / "cassandra.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            fresh = found.with_suffix(".new")
            shutil.rmtree(fresh, ignore_errors=True)
            done = subprocess.run(
                [
                    maven,
                    "-q",
                    "-B",
                    "-f",
                    str(_POM),
                    "dependency:copy-dependencies",
                    f"-DoutputDirectory={fresh}",
                ],
                capture_output=True,
                check=False,
            )
            if done.returncode != 0:
                said = done.stdout.decode(errors="replace")[-500:]
                raise MissingProgram(f"Cassandra's jars cannot be had from Maven Central:\n{said}")
            fresh.rename(found)
    return found
