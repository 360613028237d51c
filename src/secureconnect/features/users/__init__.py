"""Users: who has an account and how they describe themselves.

Owns the table `users`. Neighbours: `auth` creates users and checks passwords, `friends` decides how one user
sees another, `presence` knows who is online.
"""
