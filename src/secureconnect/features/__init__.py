"""One folder per thing that a user would name. Each says in its `__init__` what it owns.

A feature's rooms: `api` (what others may call), `rules` (who may do what), `store` (tables and queries),
`service` (use cases), `http` and `socket` (surfaces), `tasks` (background jobs), `module` (what it
contributes).
"""
