"""What audit contributes."""

from secureconnect.edge.module import Module, Task
from secureconnect.features.audit.http import routes
from secureconnect.features.audit.service import AuditService
from secureconnect.kit.pagination import Cursors

__all__ = ["module"]


def module(service: AuditService, cursors: Cursors) -> Module:
    """The trail and its retention."""
    return Module(
        name="audit",
        role="auth",
        routes=routes(service, cursors),
        tasks=[Task("audit_retention", 3600, service.purge)],
        start=service.start,
        stop=service.stop,
    )
