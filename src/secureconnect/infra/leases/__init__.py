"""Leases: which one of several processes does what only one should do. Port in `base`."""
