"""Media of the SDK, without a server."""
