"""Presence: who is online, and who may know.

Owns no table: what devices say lives in the cache and is gone with it. Neighbours: `users` holds the privacy
switch, `friends` and `conversations` say who stands near whom, the hub of the realtime edge who is connected.
"""
