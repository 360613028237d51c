"""Ports to the world outside: one folder each, `base.py` with the guarantees, then one file per adapter."""
