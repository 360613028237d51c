"""Calls on sockets: the signaling socket of each call, and what chat sockets say of ringing."""

from secureconnect.features.calls.socket.commands import chat_commands, signal_commands
from secureconnect.features.calls.socket.switchboard import Switchboard

__all__ = ["Switchboard", "chat_commands", "signal_commands"]
