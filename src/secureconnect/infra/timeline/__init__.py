"""The timeline: the append-only log of each conversation and the current state of its messages."""
