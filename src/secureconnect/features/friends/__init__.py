"""Friends: what two users are to each other, and how one sees the other.

Owns the tables `friendships` and `blocks` and the routes about other people. Neighbours: `users` knows
accounts and one's own profile, `conversations` and `presence` ask here who is a friend and who is blocked.
"""
