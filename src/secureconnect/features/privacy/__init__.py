"""Privacy: deleting an account, with time to think again.

Neighbours: `users` keeps the state of accounts, `sessions` ends what is open; administrators delete and
restore through `privacy.api`.
"""
