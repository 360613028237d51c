"""The cache: counters and short-lived facts. Port in `base`, embedded adapter in `memory`."""
