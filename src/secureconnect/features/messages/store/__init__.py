"""What is stored about messages beside the log: mentions, followers of threads, what users hid."""

from secureconnect.features.messages.store.followers import follow
from secureconnect.features.messages.store.hidden import hidden_among, hide
from secureconnect.features.messages.store.mentions import EVERYBODY, mention, mention_counts

__all__ = ["EVERYBODY", "follow", "hidden_among", "hide", "mention", "mention_counts"]
