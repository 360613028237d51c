"""Settings as a value: one frozen struct per section, read once at start, handed to whoever needs a part.

`model` is the value, `load` reads it from file, environment and flags, `checks` says what must not be,
`reference` prints it.
"""

from secureconnect.app.settings.model import Settings

__all__ = ["Settings"]
