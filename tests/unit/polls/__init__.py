"""Polls: votes against a model, and what time does."""
