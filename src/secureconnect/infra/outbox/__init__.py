"""The outbox: what has to happen after a commit, kept durably until it has happened.

`base` is the port, `relational` keeps jobs in the Database, `lanes` runs them.
"""
