"""Routes of auth: `entry` takes passwords."""

from secureconnect.features.auth.http.entry import routes

__all__ = ["routes"]
