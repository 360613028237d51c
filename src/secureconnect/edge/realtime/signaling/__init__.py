"""Sockets of one call each (docs/reference/realtime.md §10): who holds which, and what passes between them.

`rooms` knows the sockets and relays, `session` gives one socket its meaning, `gate` lets it in. What a call
is, and who may do what in it, is told by the feature through `base`.
"""
