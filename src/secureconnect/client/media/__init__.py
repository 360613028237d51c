"""The media of calls, by aiortc (`pip install 'secureconnect[calls]'`); nothing else of the SDK imports it.

`MeshCall` is a call that one takes part in, `MeshMedia` its connections, `Tone` something to play.
"""

try:
    import aiortc as _aiortc
except ImportError as error:
    raise ImportError("the media of calls needs aiortc: pip install 'secureconnect[calls]'") from error

from secureconnect.client.media.call import MeshCall
from secureconnect.client.media.mesh import MeshMedia, RemoteTrack
from secureconnect.client.media.tone import Tone

__all__ = ["MeshCall", "MeshMedia", "RemoteTrack", "Tone"]

del _aiortc
