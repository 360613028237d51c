"""Backups: made online, checked whole, and known to restore (docs/reference/operations.md §8)."""
