"""Settings as a value: one frozen struct per section, read once at start, handed to whoever needs a part.

`model` is the value, `load` reads it from file, environment and flags, `checks` and `production` say what
must not be, `reference` prints it.
"""

from secureconnect.app.settings.load import Loaded, load
from secureconnect.app.settings.model import Settings
from secureconnect.app.settings.problems import Problem, SettingsError

__all__ = ["Loaded", "Problem", "Settings", "SettingsError", "load"]
