"""Sessions: one login on one device, its tokens, and the keys that sign them.

Owns the tables `sessions`, `refresh_tokens`, `one_time_tokens` and `signing_keys`. Decides who a bearer token
belongs to (`edge.access.Authenticator`). Neighbours: `auth` starts sessions, `users` knows roles.
"""
