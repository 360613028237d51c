"""TURN: credentials and URLs."""
