"""Administration: what the people who run the server see and do.

Owns no table and shows no message content. Neighbours: `users` keeps accounts and bans, `sessions` ends them,
`privacy` deletes accounts, `conversations` and the timeline are what retention works on, `audit` writes down
every call.
"""
