"""Factors: what proves who somebody is besides a password.

Owns the tables `mfa_totp`, `mfa_recovery_codes` and `passkeys`, and the second step of a login. Neighbours:
`auth` asks for the second step and finishes every login, `sessions` keeps the single-use tokens.
"""
