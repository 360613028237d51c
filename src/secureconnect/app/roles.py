"""The parts of the product that can run as processes of their own (docs/reference/operations.md §2)."""

from collections.abc import Sequence

__all__ = ["EVERYTHING", "GATEWAY", "PORTS", "ROLES", "service_of"]

GATEWAY = "gateway"
#: Role → port, in the order of the reference.
PORTS = {GATEWAY: 8080, "auth": 8081, "chat": 8082, "video": 8083, "storage": 8084}
ROLES = tuple(PORTS)
#: What one process serves that was started without a role.
EVERYTHING = tuple(role for role in ROLES if role != GATEWAY)

_TOGETHER = "secureconnect"


def service_of(roles: Sequence[str]) -> str:
    """How a process of these roles calls itself in `/health`, metrics and logs; none means all."""
    if len(roles) != 1:
        return _TOGETHER
    return "api-gateway" if roles[0] == GATEWAY else f"{roles[0]}-service"
