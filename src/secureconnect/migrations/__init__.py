"""Numbered, linear schema migrations and the runner that applies them (contract: data model §1)."""
