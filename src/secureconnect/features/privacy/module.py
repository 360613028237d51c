"""What privacy contributes."""

from secureconnect.edge.module import Module
from secureconnect.features.privacy.http import routes
from secureconnect.features.privacy.service import Deletion

__all__ = ["module"]


def module(deletion: Deletion) -> Module:
    """Deleting one's account."""
    return Module(name="privacy", role="auth", routes=routes(deletion))
