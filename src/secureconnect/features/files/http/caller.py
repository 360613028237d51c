"""Who acts."""

from typing import Any

from secureconnect.edge.http.routing import Call
from secureconnect.features.files.service import Caller

__all__ = ["caller_of"]


def caller_of(call: Call[Any, Any]) -> Caller:
    """Who acts, and from where."""
    return Caller(call.caller, call.context)
