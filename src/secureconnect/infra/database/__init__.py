"""The relational store: port in `base`, embedded adapter in `sqlite`."""
