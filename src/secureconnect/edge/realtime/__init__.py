"""The realtime edge: sockets on the HTTP port, sessions on sockets, fan-out, resume
(docs/reference/realtime.md).

`transport` moves bytes, `session` gives one socket its meaning, `hub` knows who is connected, `resume`
brings a returning client up to date. What they need of each other and of the features stands in `base`.
"""
