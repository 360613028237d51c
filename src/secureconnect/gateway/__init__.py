"""The gateway: one address for all roles. It owns no data and decides nothing that a role relies on.

`table` says which role serves a path, `instances` which process of it, `upstream` speaks HTTP/1.1 to that
process, `proxy` passes requests and answers on piece by piece, `tunnel` does so with sockets.
"""
