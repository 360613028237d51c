"""The index that finds messages by their words."""
