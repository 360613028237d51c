"""Shrinking pictures of strangers: the port, and an adapter that does it in a process of its own."""
