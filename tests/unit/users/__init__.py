"""Accounts over the embedded store."""
