"""`python -m secureconnect` is the command `secureconnect`."""

import sys

from secureconnect.app.cli import main

sys.exit(main())
