"""Meaning: what one socket says and is told, from `welcome` to its end."""
