"""The routes of the HTTP reference, one file per area."""
