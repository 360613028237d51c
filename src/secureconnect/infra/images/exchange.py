"""What the server and the process that shrinks pictures agree on; apart, for a server needs no decoder."""

import struct
from typing import Final

__all__ = ["ANSWER", "REQUEST", "SECONDS", "WORKER"]

#: The longest side, and how many bytes follow.
REQUEST: Final = struct.Struct(">II")
#: Whether it was made, and how many bytes follow.
ANSWER: Final = struct.Struct(">?I")
#: Wall clock of one picture.
SECONDS: Final = 8
#: The module to run.
WORKER: Final = "secureconnect.infra.images.worker"
