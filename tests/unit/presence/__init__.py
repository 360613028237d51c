"""Presence: what devices make together, how long it holds, and what watchers are told.."""
