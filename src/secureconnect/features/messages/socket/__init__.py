"""Commands of the chat socket that concern messages (docs/reference/realtime.md §4, §5)."""

from secureconnect.edge.realtime.session.commands import Command
from secureconnect.features.messages.service import MarkService, SendService
from secureconnect.features.messages.socket import messages
from secureconnect.features.messages.socket.typists import Typing

__all__ = ["Typing", "commands"]


def commands(sending: SendService, marking: MarkService, typing: Typing) -> list[Command]:
    """Every command of this feature."""
    return [*messages.commands(sending, marking, typing)]
