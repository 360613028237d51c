"""Search: messages found by their words, senders, dates and what they carry.

Owns the index, which it feeds from the timeline, and the language of queries. Neighbours: `conversations`
knows where a user may look, `messages` renders what is found. Encrypted messages are never indexed.
"""
