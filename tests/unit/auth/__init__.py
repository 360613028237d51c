"""Accounts, logins, sessions and keys over a real embedded store, with a clock that tests move."""
