"""The cache: counters and short-lived facts that can be rebuilt. Port in `base`, embedded adapter in `memory`."""
