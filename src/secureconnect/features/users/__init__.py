"""Users: who has an account, how they describe themselves, and who is kept out.

Owns the tables `users` and `user_bans`. Neighbours: `auth` creates users and checks passwords, `sessions`
lets nobody in who is banned or deleted, `friends` decides how one user sees another, `presence` knows who is
online, `admin` and `privacy` decide about bans and deletions.
"""
