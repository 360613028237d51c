"""The shipped configuration of LiveKit is one that LiveKit takes."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from stack.livekit import LiveKitServer
from stack.server import MissingProgram

SHIPPED = Path(__file__).parents[2] / "deploy" / "livekit" / "livekit.yaml"


class Shipped(LiveKitServer):
    """With the shipped file; only what is about this machine is changed."""

    def prepare(self) -> None:
        text = SHIPPED.read_text()
        for ours, here in (
            ("\nport: 7880\n", f"\nport: {self.port}\nbind_addresses: [127.0.0.1]\n"),
            ("  tcp_port: 7881\n", f"  tcp_port: {self._tcp}\n"),
            ("  use_external_ip: true\n", "  node_ip: 127.0.0.1\n"),
        ):
            assert text.count(ours) == 1
            text = text.replace(ours, here)
        self._config.write_text(text)

    def environment(self) -> Mapping[str, str]:
        return {**os.environ, "LIVEKIT_KEYS": f"{self.api_key}: {self.api_secret}"}


def test_it_starts(tmp_path: Path) -> None:
    try:
        server = Shipped(tmp_path)
    except MissingProgram as missing:
        pytest.skip(str(missing))
    with server:
        assert server.answers()
    assert "auto_create: false" in SHIPPED.read_text()
