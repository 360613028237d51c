"""Reports: what users tell the server's admins about users, messages and conversations, and what is done.

Owns `reports`.
"""
