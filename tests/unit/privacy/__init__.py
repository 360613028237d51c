"""Exports and erasure: the rules, archives, and erasure that is stopped and begun again."""
