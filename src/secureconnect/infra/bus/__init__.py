"""The bus: how processes hint to each other. Port in `base`, embedded adapter in `memory`."""
