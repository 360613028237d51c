"""Auth: making an account, proving that it is yours, and locking out who guesses.

Owns the table `login_attempts` and the list of refused passwords. Neighbours: `users` stores the account,
`sessions` starts what a login ends in.
"""
