"""The port of the media server, where there is none."""
