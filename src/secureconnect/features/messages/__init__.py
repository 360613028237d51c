"""Messages: what members say in a conversation, and how far each of them has read.

Appends to the timeline and renders it, live and later alike; owns no table of its own: messages and events
belong to the timeline, read marks to the membership rows of `conversations`. Neighbours: `conversations`
knows who may post, `users` how senders are called, `presence` who is online.
"""
