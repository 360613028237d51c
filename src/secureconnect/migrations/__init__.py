"""Numbered, linear schema migrations and the runner that applies them (docs/reference/data.md §1)."""
