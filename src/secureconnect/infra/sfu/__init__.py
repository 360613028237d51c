"""Forwarding of media: `base` is the port, `livekit` talks to LiveKit, `none` stands for no server."""
