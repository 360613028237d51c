"""The realtime edge: sockets on the HTTP port (docs/reference/realtime.md).

`transport` moves bytes, `session` gives one socket its meaning and brings a returning client up to date,
`fanout` knows who is connected and delivers in order. What they need of each other and of the features
stands in `base`; `gate` lets sockets in, `drain` lets them go.
"""
