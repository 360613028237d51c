"""Presence on sockets: having one makes a device online, and whoever watches somebody is told of changes."""

from secureconnect.features.presence.socket.commands import commands
from secureconnect.features.presence.socket.lifetimes import Lifetimes
from secureconnect.features.presence.socket.watching import Sockets, Subscribed, Watches

__all__ = ["Lifetimes", "Sockets", "Subscribed", "Watches", "commands"]
