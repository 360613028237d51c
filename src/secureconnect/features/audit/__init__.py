"""Audit: who did what, kept append-only.

Owns the table `audit_logs`. Every feature writes to it, none depends on what it holds.
"""
