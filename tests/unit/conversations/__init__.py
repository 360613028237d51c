"""Conversations: the rules by role, the use cases over the embedded store, and any order of them."""
