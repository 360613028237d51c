"""Owns single sign-on: logins that an OpenID provider vouches for, and which account each of its people has
(docs/reference/rules.md §2.6).
"""
