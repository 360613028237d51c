"""Pushes: devices, what is queued, what becomes of it."""
