"""Privacy: deleting an account, with time to think again; erasing it; giving people what is kept about them.

Neighbours: `users` keeps the state of accounts, `sessions` ends what is open; administrators delete and
restore through `privacy.api`. What is kept about a person is each feature's own business: `app` hands over
the `Belongings` of all of them.
"""
