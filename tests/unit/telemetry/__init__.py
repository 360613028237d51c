"""Logs and metrics as operators read them."""
