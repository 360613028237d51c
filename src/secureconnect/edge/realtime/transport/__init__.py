"""Bytes: a TCP connection becomes a socket, frames go in and out, silence is noticed."""

from secureconnect.edge.realtime.transport.connection import SocketTransport, transport_factory
from secureconnect.edge.realtime.transport.outbox import TransportLimits

__all__ = ["SocketTransport", "TransportLimits", "transport_factory"]
