"""AsyncAPI 3.0 of the sockets: commands from registries, events from `kit.events`, frames as declared here.

Each command is an operation whose reply is its own `ack` or an `error`. What belongs to the signaling socket
is named `signaling_…`.
"""

from secureconnect.app.asyncapi.document import asyncapi_document

__all__ = ["asyncapi_document"]
