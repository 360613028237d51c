"""Mail: what the server writes to people, and that it arrives.

Owns every text that is mailed. Neighbours: each feature that has something to say calls `api.Mailer` in its
transaction; the outbox keeps a mail until the server took it.
"""
