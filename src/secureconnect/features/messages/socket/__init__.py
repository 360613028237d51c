"""Commands of the chat socket that concern messages (docs/reference/realtime.md §4, §5)."""

from secureconnect.edge.realtime.session.commands import Command
from secureconnect.features.messages.service import UseCases
from secureconnect.features.messages.socket import changes, messages
from secureconnect.features.messages.socket.typists import Typing

__all__ = ["Typing", "commands"]


def commands(cases: UseCases, typing: Typing) -> list[Command]:
    """Every command of this feature."""
    return [
        *messages.commands(cases.sending, cases.marking, typing),
        *changes.commands(cases.editing, cases.deleting, cases.reacting),
    ]
