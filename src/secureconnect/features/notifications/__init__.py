"""Notifications: what happened while somebody was away, in one inbox, and what may leave it by push.

Owns the inbox and each user's preferences. Follows the timelines of all conversations on its own feet, so
that a send costs nothing more and a crash loses or doubles nothing. Neighbours: `conversations` and
`messages` say what happened and to whom, `presence` who is there, `push` carries out.
"""
