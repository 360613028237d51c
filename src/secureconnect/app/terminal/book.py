"""What the terminal client knows: conversations, people's names, and which conversation is open."""

from secureconnect.app.terminal.text import clean
from secureconnect.client import ApiFailure, Client, Conversation, User, walk
from secureconnect.client.models import Participant

__all__ = ["Book"]


class Book:
    """Read over HTTP when needed, kept up to date by whoever sees events."""

    def __init__(self, client: Client, me: User) -> None:
        self._client = client
        self.me = me
        self.conversations: dict[str, Conversation] = {}
        #: Conversation ids in the order of the last list that was shown.
        self.listed: list[str] = []
        self.current: Conversation | None = None
        self._names: dict[str, str] = {me.user_id: clean(me.display_name)}

    async def load(self) -> list[Conversation]:
        """All conversations, last active first."""
        found = [each async for each in walk(self._client.conversations.list, limit=100)]
        self.conversations = {each.conversation_id: each for each in found}
        self.listed = list(self.conversations)
        return found

    def put(self, conversation: Conversation) -> None:
        """Take a conversation as it is now."""
        self.conversations[conversation.conversation_id] = conversation
        if conversation.conversation_id not in self.listed:
            self.listed.append(conversation.conversation_id)
        if self.current is not None and self.current.conversation_id == conversation.conversation_id:
            self.current = conversation

    def drop(self, conversation_id: str) -> Conversation | None:
        """Forget a conversation; its number in the list stays empty."""
        if self.current is not None and self.current.conversation_id == conversation_id:
            self.current = None
        return self.conversations.pop(conversation_id, None)

    def is_current(self, conversation_id: str) -> bool:
        """True for the conversation that is open."""
        return self.current is not None and self.current.conversation_id == conversation_id

    async def conversation(self, conversation_id: str, *, fresh: bool = False) -> Conversation:
        """One conversation, read again when `fresh`."""
        known = self.conversations.get(conversation_id)
        if known is None or fresh:
            known = await self._client.conversations.get(conversation_id)
            self.put(known)
        return known

    def pick(self, what: str) -> Conversation | None:
        """A conversation by its number in the last list, or by its name."""
        if what.isascii() and what.isdigit() and 1 <= int(what) <= len(self.listed):
            return self.conversations.get(self.listed[int(what) - 1])
        wanted = what.casefold()
        named = [each for each in self.conversations.values() if each.name.casefold() == wanted]
        return named[0] if len(named) == 1 else None

    async def participants(self, conversation_id: str) -> list[Participant]:
        """Who is in a conversation; their names are kept."""
        found = [
            each async for each in walk(self._client.conversations.participants, conversation_id, limit=200)
        ]
        self._names.update({each.user_id: clean(each.display_name) for each in found})
        return found

    async def name(self, user_id: str | None) -> str:
        """What to call somebody."""
        if user_id is None:
            return "the server"
        if user_id not in self._names:
            try:
                user = (await self._client.users.get(user_id)).user
            except ApiFailure:
                return "somebody"
            self._names[user_id] = clean(user.display_name)
        return self._names[user_id]
